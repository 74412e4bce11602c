//! What rustls says, as a [`Fault`].

use std::borrow::Cow;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::net::fault::{Fault, FaultKind};

/// What is behind an error of rustls.
#[must_use]
pub fn of(error: &Error) -> Fault {
    use FaultKind::{Alert, Certificate, Protocol};
    match error {
        Error::InvalidCertificate(why) => Fault::new(Certificate, of_certificate(why)),
        Error::NoCertificatesPresented => Fault::new(Certificate, "no_certificate"),
        Error::AlertReceived(alert) => Fault::new(Alert, of_alert(*alert)),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => Fault::new(Protocol, "version"),
        Error::PeerIncompatible(_) => Fault::new(Protocol, "incompatible"),
        Error::NoApplicationProtocol => Fault::new(Protocol, "alpn"),
        _ => Fault::new(Protocol, "protocol"),
    }
}

fn of_certificate(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "not_valid_yet"
        }
        CertificateError::UnknownIssuer => "unknown_issuer",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "wrong_name"
        }
        CertificateError::BadSignature => "bad_signature",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "wrong_purpose"
        }
        CertificateError::Revoked => "revoked",
        _ => "bad_certificate",
    }
}

/// The alert's own name (RFC 8446 §6), behind what it is.
fn of_alert(alert: AlertDescription) -> Cow<'static, str> {
    let name = match alert {
        AlertDescription::HandshakeFailure => "alert_handshake_failure",
        AlertDescription::BadCertificate => "alert_bad_certificate",
        AlertDescription::UnsupportedCertificate => "alert_unsupported_certificate",
        AlertDescription::CertificateExpired => "alert_certificate_expired",
        AlertDescription::CertificateUnknown => "alert_certificate_unknown",
        AlertDescription::CertificateRequired => "alert_certificate_required",
        AlertDescription::UnknownCA => "alert_unknown_ca",
        AlertDescription::AccessDenied => "alert_access_denied",
        AlertDescription::DecryptError => "alert_decrypt_error",
        AlertDescription::ProtocolVersion => "alert_protocol_version",
        AlertDescription::InternalError => "alert_internal_error",
        AlertDescription::UnrecognisedName => "alert_unrecognized_name",
        AlertDescription::NoApplicationProtocol => "alert_no_application_protocol",
        other => return format!("alert_{}", u8::from(other)).into(),
    };
    name.into()
}
