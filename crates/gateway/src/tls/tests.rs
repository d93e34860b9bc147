//! What an operator is told when the files are not what they should be.

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;

/// A directory that goes away with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tollgate-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it is small and in the system's own place for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

#[test]
fn a_certificate_and_its_key_make_a_listener_that_offers_both_versions() {
    let folder = Folder::new("tls-good");
    let (cert, key) = pair();
    let config =
        server_config(&folder.file("cert.pem", &cert), &folder.file("key.pem", &key)).unwrap();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
}

#[test]
fn every_mistake_names_the_file_to_look_at() {
    let folder = Folder::new("tls-bad");
    let (cert, key) = pair();
    let (_, foreign_key) = pair();
    let good_cert = folder.file("cert.pem", &cert);
    let good_key = folder.file("key.pem", &key);
    let empty = folder.file("empty.pem", "");
    let foreign = folder.file("foreign.pem", &foreign_key);
    let missing = folder.0.join("missing.pem");
    for (cert, key, said) in [
        (&missing, &good_key, "missing.pem: No such file or directory"),
        (&good_cert, &missing, "missing.pem: No such file or directory"),
        (&empty, &good_key, "empty.pem: no certificate in PEM form"),
        (&good_key, &good_key, "key.pem: no certificate in PEM form"),
        (&good_cert, &empty, "empty.pem: no private key in PEM form"),
        (&good_cert, &good_cert, "cert.pem: no private key in PEM form"),
        (&good_cert, &foreign, "cert.pem: the certificate and its key cannot be used"),
    ] {
        let error = server_config(cert, key).unwrap_err().to_string();
        assert!(error.contains(said), "`{error}` should say `{said}`");
    }
}

#[test]
fn the_default_can_be_installed_again_and_again() {
    install_default();
    install_default();
    assert!(CryptoProvider::get_default().is_some());
}
