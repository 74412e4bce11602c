mod cache;
mod credentials;
mod hash;
mod htpasswd;
mod verifier;

use super::Credentials;

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.into(),
        password: password.into(),
    }
}
