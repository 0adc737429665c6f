//! What `weir validate` asks of this machine beyond the configuration: would the kernel take its part?

use crate::guard::meant;
use weir_kernel::{Error, Host, Shield, verify_only};
use weir_plan::Plan;
use weir_schema::{Code, Config, Diagnostic, Report};

/// Checks the shield's lists against the kernel's tables, and takes the XDP program through the verifier without attaching
/// it. What is wrong goes into the report; what was found or could not be asked comes back as notes of a line each.
pub(crate) fn shield(config: &Config, plan: &Plan, report: &mut Report) -> Vec<String> {
    let meant = meant(plan);
    let mut notes = Vec::new();
    if meant.interfaces.is_empty() {
        return notes;
    }
    let mut refuse = |error: &Error| {
        report.push(Diagnostic::new(
            Code::Compile,
            config.shield.span,
            format!("the shield cannot run: {error}"),
        ));
    };
    match Shield::check(&meant, &Host::default()) {
        Ok((entries, complaints)) => {
            notes.push(format!(
                "the lists of the shield have {entries} entries, and the kernel's tables hold them"
            ));
            notes.extend(complaints.iter().map(|complaint| format!("warning: {complaint}")));
        }
        Err(error) => refuse(&error),
    }
    match verify_only(&Host::default()) {
        Ok(verified) => {
            let walked = verified.instructions.map(|count| format!(", {count} instructions walked"));
            notes.push(format!("the kernel's verifier takes the XDP program{}", walked.unwrap_or_default()));
        }
        Err(error @ Error::Permission(_)) => notes.push(format!("the XDP program was not tried: {error}")),
        Err(error) => refuse(&error),
    }
    notes
}
