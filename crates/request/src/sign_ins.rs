//! Sign-ins, counted for `/metrics`.

use auth::AuthError;
use telemetry::names;

/// Counts a sign-in, of a program or of a browser. One that waits for its second step is counted when that is taken.
pub fn count_sign_in<T>(signed_in: &Result<T, AuthError>) {
    let outcome = match signed_in {
        Ok(_) => "ok",
        Err(AuthError::SecondFactorNeeded(_)) => return,
        Err(AuthError::Throttled(_)) => "throttled",
        Err(_) => "refused",
    };
    metrics::counter!(names::SIGN_INS, "outcome" => outcome).increment(1);
}
