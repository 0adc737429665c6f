//! `admin`: the interface that `weir`'s own commands speak to.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::span::{At, Span};
use crate::tls::ListenerTls;
use crate::value::{Bind, Checked, FilePath, Name, Secret};

section! {
    /// The interface that `weir`'s own commands speak to.
    pub struct Admin "admin" [checked] {
        /// Its unix socket, for the owner and its group only.
        pub socket: At<FilePath> = FilePath("/run/weir/admin.sock".to_owned()),
        /// Also listen here; needs `tokens`, or `tls` with `client_ca`, and beyond this host `tls` in any case.
        pub bind: Option<At<Bind>>,
        /// TLS for `bind`.
        pub tls: Option<At<Box<ListenerTls>>>,
        /// Who may do what by showing which token.
        pub tokens: Vec<At<Token>>,
    }
}

impl Checked for Admin {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if let Some(hsts) = self.tls.as_ref().and_then(|tls| tls.hsts.as_ref()) {
            let found =
                Diagnostic::new(Code::Conflict, hsts.span, "the admin interface tells browsers nothing");
            reader.push(found.hint("Leave `hsts` out here; it belongs to `tls` of a listener."));
        }
        let Some(bind) = self.bind.as_ref().filter(|bind| !matches!(bind.value, Bind::Unix(_))) else {
            return;
        };
        let asks = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let found = |message| Diagnostic::new(Code::Unprotected, bind.span, message);
        if self.tokens.is_empty() && !asks {
            let found = found("anyone who reaches this address could change everything");
            reader.push(found.hint("Add `tokens`, or `tls` with a `client_ca`."));
        } else if self.tls.is_none() && !is_local(&bind.value) {
            let found = found("tokens would travel in the clear to this address");
            reader.push(found.hint("Add `tls`, or listen on `127.0.0.1`."));
        }
    }
}

/// Nobody but this host reaches it.
fn is_local(bind: &Bind) -> bool {
    match bind {
        Bind::Ip(address) => address.ip().is_loopback(),
        Bind::Any(_) => false,
        Bind::Unix(_) => true,
    }
}

section! {
    /// A token and what it opens.
    pub struct Token "token" {
        /// Whose it is, for the audit log.
        pub name: At<Name>,
        /// The token.
        pub token: At<Secret>,
        /// What it allows.
        pub role: At<Role> = Role::Read,
    }
}

words! {
    /// What someone may do.
    pub enum Role "a role" {
        /// Look.
        Read = "read",
        /// Look and change.
        Write = "write",
    }
}
