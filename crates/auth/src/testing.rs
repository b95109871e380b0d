//! For tests: an authenticator app and a passkey in software, which do what a phone would.

use crate::{Challenge, PasskeyAnswer, totp};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The code that an app with this secret shows at a time, in seconds since 1970. Spaces in the secret are for the eye.
///
/// # Panics
/// The secret is none: a page was read before it was there, say, whose code would be refused with no word of why.
pub fn totp_code(secret: &str, at: i64) -> String {
    let secret: String = secret.chars().filter(|letter| !letter.is_whitespace()).collect();
    assert!(!secret.is_empty(), "there is no secret");
    let key = BASE32_NOPAD.decode(secret.as_bytes()).expect("base32");
    totp::code_of(&key, at.div_euclid(totp::STEP)).expect("a code")
}

/// What an app shows now: to set one up with. It is taken in the step after, too.
pub fn code_of_now(secret: &str) -> String {
    totp_code(secret, chrono::Utc::now().timestamp())
}

/// What an app shows next: later than any [`code_of_now`], and taken from now to the end of the step after its own. With a step
/// between them, no test depends on which second of a step it runs in.
pub fn next_code(secret: &str) -> String {
    totp_code(secret, chrono::Utc::now().timestamp() + totp::STEP)
}

/// A device with one passkey (ES256, attested by nobody), whose person was recognised.
#[derive(Debug)]
pub struct Authenticator {
    key: SigningKey,
    id: [u8; 32],
    /// What it tells of how often it was used; 0 as those that are synchronised tell.
    pub counter: u32,
    /// What the browser says where it was asked.
    pub origin: String,
    handle: String,
}

impl Authenticator {
    pub fn new(origin: &str) -> Self {
        Self {
            key: SigningKey::from_slice(&rand::random::<[u8; 32]>()).expect("a key"),
            id: rand::random(),
            counter: 0,
            origin: origin.to_owned(),
            handle: String::new(),
        }
    }

    /// Makes the passkey.
    pub fn make(&mut self, asked: &Challenge) -> PasskeyAnswer {
        self.handle = text(asked, &["user", "id"]);
        let point = self.key.verifying_key().to_encoded_point(false);
        let (x, y) = (point.x().expect("a point"), point.y().expect("a point"));
        let mut data = self.data(&text(asked, &["rp", "id"]), 0x45);
        data.extend([0; 16]);
        data.extend([0, 32]);
        data.extend(self.id);
        // COSE (RFC 9053, 2.1): EC2, ES256, P-256.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(u8::try_from(data.len()).expect("short"));
        object.extend(data);
        let client = self.client("webauthn.create", asked);
        let response = json!({
            "clientDataJSON": encode(client.as_bytes()), "attestationObject": encode(&object), "transports": ["internal"],
        });
        self.answer(asked, &response)
    }

    /// Uses it.
    pub fn show(&mut self, asked: &Challenge) -> PasskeyAnswer {
        let data = self.data(&text(asked, &["rpId"]), 0x05);
        let client = self.client("webauthn.get", asked);
        let mut signed = data.clone();
        signed.extend(Sha256::digest(&client));
        let signature: Signature = self.key.sign(&signed);
        let response = json!({
            "clientDataJSON": encode(client.as_bytes()), "authenticatorData": encode(&data),
            "signature": encode(signature.to_der().as_bytes()), "userHandle": self.handle,
        });
        self.answer(asked, &response)
    }

    fn data(&self, site: &str, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(site).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client(&self, kind: &str, asked: &Challenge) -> String {
        let challenge = text(asked, &["challenge"]);
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#, self.origin)
    }

    fn answer(&self, asked: &Challenge, response: &serde_json::Value) -> PasskeyAnswer {
        let id = encode(&self.id);
        let credential = json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "response": response, "clientExtensionResults": {},
        });
        PasskeyAnswer { challenge: asked.token.expose().to_owned(), credential: credential.to_string() }
    }
}

fn text(asked: &Challenge, path: &[&str]) -> String {
    let found = path.iter().fold(&asked.options, |value, name| &value[*name]);
    found.as_str().unwrap_or_else(|| panic!("no {path:?} in {}", asked.options)).to_owned()
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
