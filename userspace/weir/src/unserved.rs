//! Settings that are understood and are known to have no effect in this version: each is said at its line.

use weir_schema::{Code, Config, Diagnostic, Report, Span};

/// Reports the settings of a configuration that nothing obeys yet.
pub(crate) fn report(config: &Config, report: &mut Report) {
    let mut say = |span: Span, what: &str| {
        if span.is_written() {
            report.push(Diagnostic::new(
                Code::NotServed,
                span,
                format!("{what} has no effect in this version"),
            ));
        }
    };
    let telemetry = &config.telemetry;
    say(telemetry.tracing.as_ref().map_or(Span::NOWHERE, |tracing| tracing.span), "`tracing`");
    say(telemetry.log.span, "`log`");
    say(config.admin.ui.span, "`ui`");
}
