//! Codes of an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds, which is all that every app knows), and
//! recovery codes.

use crate::{
    Secret,
    secret::{Purpose, stored_hash},
};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Seconds that a code lasts.
pub(crate) const STEP: i64 = 30;
/// Steps before and after this one whose codes are taken: clocks differ, and people type slowly.
const LEEWAY: i64 = 1;
const DIGITS: usize = 6;
/// Bytes of a secret (RFC 4226, 4: as long as the hash).
const SECRET_BYTES: usize = 20;

/// Recovery codes that are made at once.
pub const RECOVERY_CODES: usize = 10;
/// So few of them left are worth a word.
pub const FEW_RECOVERY_CODES: u32 = 3;
/// Random bytes of a recovery code: 128 bits, so that a fast hash is enough to keep it by.
const RECOVERY_BYTES: usize = 16;
/// Those of codes that earlier releases made, which stay good.
const EARLIER_RECOVERY_BYTES: usize = 10;
/// Longest that is looked at of what was typed as a code.
const LONGEST_CODE: usize = 64;

/// A new secret, base32.
pub(crate) fn make() -> Secret {
    Secret::new(BASE32_NOPAD.encode(&rand::random::<[u8; SECRET_BYTES]>()))
}

/// What an app reads from the QR code: <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>.
pub(crate) fn uri(secret: &Secret, email: &str) -> Secret {
    let account = email.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    });
    let secret = secret.expose();
    Secret::new(format!("otpauth://totp/Tincture:{account}?secret={secret}&issuer=Tincture"))
}

/// What was typed where a code is asked for.
pub(crate) enum Typed {
    /// Of an app.
    Code(String),
    /// Its hash.
    RecoveryCode(String),
    Neither,
}

/// Spaces and hyphens are for the eye, as is the case.
pub(crate) fn read(typed: &str) -> Typed {
    if typed.len() > LONGEST_CODE {
        return Typed::Neither;
    }
    let plain: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if plain.len() == DIGITS && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Typed::Code(plain);
    }
    let plain = plain.to_ascii_uppercase();
    match BASE32_NOPAD.decode(plain.as_bytes()) {
        Ok(bytes) if [RECOVERY_BYTES, EARLIER_RECOVERY_BYTES].contains(&bytes.len()) => {
            Typed::RecoveryCode(stored_hash(Purpose::Recovery, &plain))
        }
        _ => Typed::Neither,
    }
}

/// New recovery codes, each with its hash.
pub(crate) fn make_recovery_codes() -> (Vec<Secret>, Vec<String>) {
    let make = || {
        let code = BASE32_NOPAD.encode(&rand::random::<[u8; RECOVERY_BYTES]>());
        let hash = stored_hash(Purpose::Recovery, &code);
        let groups: Vec<_> =
            code.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).to_lowercase()).collect();
        (Secret::new(groups.join("-")), hash)
    };
    (0..RECOVERY_CODES).map(|_| make()).unzip()
}

/// The time step whose code this is, if it is one of now. `now` is in seconds since 1970.
pub(crate) fn step_of(secret: &str, code: &str, now: i64) -> Option<i64> {
    let key = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let this = now.div_euclid(STEP);
    (this - LEEWAY..=this + LEEWAY).find(|step| code_of(&key, *step).is_some_and(|right| right == code))
}

/// RFC 4226, 5.3.
pub(crate) fn code_of(key: &[u8], step: i64) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash.last()? & 0x0f);
    let four: [u8; 4] = hash.get(offset..offset + 4)?.try_into().ok()?;
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 10_u32.pow(DIGITS as u32);
    Some(format!("{number:0DIGITS$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, of which six digits are the last six of eight.
    #[test]
    fn codes_are_those_of_the_standard() {
        let key = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_of(key, seconds / STEP).as_deref(), Some(code), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_a_step_early_and_late_and_no_more() {
        let secret = make();
        let key = BASE32_NOPAD.decode(secret.expose().as_bytes()).expect("base32");
        let code = code_of(&key, 1_000).expect("a code");
        let taken = |step: i64| step_of(secret.expose(), &code, step * STEP + 7);
        assert_eq!([998, 999, 1_000, 1_001, 1_002].map(taken), [None, Some(1_000), Some(1_000), Some(1_000), None]);
        assert_eq!(step_of("no base32!", &code, 0), None);
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let (codes, hashes) = make_recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        for (code, kept) in codes.iter().zip(&hashes) {
            for typed in [code.expose().to_owned(), code.expose().to_uppercase(), code.expose().replace('-', " ")] {
                assert!(matches!(read(&typed), Typed::RecoveryCode(hash) if hash == *kept), "{typed}");
            }
        }
    }

    #[test]
    fn a_recovery_code_of_an_earlier_release_is_one_still() {
        let kept = stored_hash(Purpose::Recovery, "ABCDEFGHIJKLMNOP");
        assert!(matches!(read("abcd-efgh-ijkl-mnop"), Typed::RecoveryCode(hash) if hash == kept));
    }

    #[test]
    fn what_is_no_code_is_neither() {
        assert!(matches!(read(" 123 456 "), Typed::Code(code) if code == "123456"));
        for typed in ["", "12345", "1234567", "abcd-efgh-ijkl", "ä23456", &"a".repeat(10_000)] {
            assert!(matches!(read(typed), Typed::Neither), "{typed:.20}");
        }
    }

    #[test]
    fn an_app_reads_whose_it_is() {
        let uri = uri(&Secret::new("ABC".to_owned()), "ada+lab@example.org");
        assert_eq!(uri.expose(), "otpauth://totp/Tincture:ada%2Blab@example.org?secret=ABC&issuer=Tincture");
    }
}
