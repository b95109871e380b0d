//! `/wifi`: a robot that has no network in reach. Key files are kept until it is switched off.

use super::exchange::{Answer, LegacyBody, created, ok};
use crate::robot_server::{Robot, body::Fields, error::ApiError, lock};
use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header},
};
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

const MOST_KEYS: usize = 100;
/// The longest key file; a bundle of certificates is some kilobytes.
const MOST_BYTES: u64 = 1024 * 1024;
/// For a whole upload.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(10);

/// A key file: what the API tells of it.
#[derive(Clone, Debug)]
pub struct Key {
    id: String,
    name: String,
}

impl Key {
    fn told(&self) -> Value {
        json!({"uri": format!("/wifi/keys/{}", self.id), "id": self.id, "name": self.name})
    }
}

pub async fn list() -> Answer {
    ok(json!({"list": []}))
}

/// No network is there to be joined.
pub async fn configure(LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "body");
    let ssid: String = fields.text("ssid").chars().take(100).collect();
    fields.optional_truth("hidden");
    fields.optional_choice("securityType", &["none", "wpa-psk", "wpa-eap"]);
    fields.optional_text("psk");
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    Err(ApiError::Legacy {
        status: StatusCode::UNAUTHORIZED,
        message: format!("Error: No network with SSID '{ssid}' found."),
    })
}

pub async fn disconnect(LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "body");
    let ssid: String = fields.text("ssid").chars().take(100).collect();
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    let message = format!("Error: '{ssid}' is not an active connection.");
    Err(ApiError::Legacy { status: StatusCode::INTERNAL_SERVER_ERROR, message })
}

pub async fn keys(State(robot): State<Arc<Robot>>) -> Answer {
    let keys: Vec<_> = lock(&robot.wifi_keys).iter().map(Key::told).collect();
    ok(json!({ "keys": keys }))
}

/// A key file is known by what is in it.
pub async fn add_key(State(robot): State<Arc<Robot>>, request: Request) -> Answer {
    let file = timeout(UPLOAD_PATIENCE, key_file(request)).await.ok().flatten();
    let (name, bytes) = file.ok_or_else(|| ApiError::legacy_invalid("body.key: field required".to_owned()))?;
    if name.is_empty() {
        return Err(ApiError::Legacy { status: StatusCode::BAD_REQUEST, message: "No name for key".to_owned() });
    }
    let key = Key { id: HEXLOWER.encode(&Md5::digest(&bytes)), name };
    let mut keys = lock(&robot.wifi_keys);
    if let Some(known) = keys.iter().find(|known| known.id == key.id) {
        let mut told = known.told();
        told["message"] = json!("Key file already present");
        return ok(told);
    }
    if keys.len() >= MOST_KEYS {
        let message = format!("This emulator keeps at most {MOST_KEYS} key files.");
        return Err(ApiError::Legacy { status: StatusCode::BAD_REQUEST, message });
    }
    let told = key.told();
    keys.push(key);
    created(told)
}

/// The name and the contents of the file in a form's `key`.
async fn key_file(request: Request) -> Option<(String, Vec<u8>)> {
    let content_type = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = multer::parse_boundary(content_type).ok()?;
    let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(MOST_BYTES));
    let mut form = Multipart::with_constraints(request.into_body().into_data_stream(), boundary, constraints);
    while let Some(field) = form.next_field().await.ok()? {
        if field.name() == Some("key") {
            let name = field.file_name().unwrap_or_default().to_owned();
            return Some((name, field.bytes().await.ok()?.to_vec()));
        }
    }
    None
}

pub async fn remove_key(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let mut keys = lock(&robot.wifi_keys);
    match keys.iter().position(|key| key.id == id) {
        Some(index) => {
            let key = keys.remove(index);
            ok(json!({"message": format!("Key file {} deleted", key.name)}))
        }
        None => {
            let id: String = id.chars().take(100).collect();
            Err(ApiError::Legacy { status: StatusCode::NOT_FOUND, message: format!("No such key file {id}") })
        }
    }
}

/// How a network of a firm or a university may be joined, with a form's fields for each.
pub async fn eap_options() -> Answer {
    const IDENTITY: Field = ("identity", "Username", true, "string");
    const ANONYMOUS: Field = ("anonymousIdentity", "Anonymous Identity", false, "string");
    const CA: Field = ("caCert", "CA Certificate File", false, "file");
    const KEY_PASSWORD: Field = ("privateKeyPassword", "Private Key Password", false, "password");
    const PASSWORD: Field = ("password", "Password", true, "password");
    const CERTIFICATE: Field = ("clientCert", "Client Certificate File", false, "file");
    const KEY: Field = ("privateKey", "Private Key File", false, "file");
    const OUTER: [Field; 6] = [IDENTITY, ANONYMOUS, CA, CERTIFICATE, KEY, KEY_PASSWORD];
    const INNER: [Field; 4] = [
        ("phase2CaCert", "Inner CA Certificate File", false, "file"),
        ("phase2ClientCert", "Inner Client Certificate File", true, "file"),
        ("phase2PrivateKey", "Inner Private Key File", true, "file"),
        ("phase2PrivateKeyPassword", "Inner Private Key Password", false, "password"),
    ];
    let needed = |(name, title, _, kind): Field| (name, title, true, kind);
    ok(json!({"options": [
        eap("ttls/eap-tls", "EAP-TTLS with TLS", &[&OUTER[..], &INNER].concat()),
        eap("ttls/eap-mschapv2", "EAP-TTLS with MS-CHAP v2", &[&OUTER[..], &[PASSWORD]].concat()),
        eap("ttls/eap-md5", "EAP-TTLS with MD5", &[&OUTER[..], &[PASSWORD]].concat()),
        eap("peap/eap-mschapv2", "EAP-PEAP with MS-CHAP v2", &[IDENTITY, ANONYMOUS, CA, PASSWORD]),
        eap("tls", "EAP-TLS", &[IDENTITY, CA, needed(CERTIFICATE), needed(KEY), KEY_PASSWORD]),
    ]}))
}

/// A field of a form: name, title, whether it is required, and its type.
type Field = (&'static str, &'static str, bool, &'static str);

fn eap(name: &str, title: &str, fields: &[Field]) -> Value {
    let told = |(name, title, required, kind): &Field| json!({"name": name, "displayName": title, "required": required, "type": kind});
    json!({"name": name, "displayName": title, "options": fields.iter().map(told).collect::<Vec<_>>()})
}
