//! A registry of OCI images on the loopback interface, which serves one image with one file in its root.
//!
//! It is the part of the registry protocol with which OpenBao gets a plugin: the image's manifest, and the blobs that it names.
//! OpenBao tries TLS first and goes on without it, because the address is a loopback address.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::json;
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A registry, which serves until the test's process ends.
pub struct Registry {
    address: String,
}

/// The answer of a registry: the end of a path, the type of the content, and the content.
type Content = (String, &'static str, Vec<u8>);

impl Registry {
    /// Serves an image, with this tag, that holds a file in its root.
    pub fn serve(file: &Path, tag: &str) -> Self {
        let layer = tar(file);
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let blob = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": blob(CONFIG, &config), "layers": [blob(LAYER, &layer)],
        });
        let content = vec![
            ("/v2/".to_owned(), "application/json", b"{}".to_vec()),
            (
                format!("/manifests/{tag}"),
                MANIFEST,
                manifest.to_string().into_bytes(),
            ),
            (format!("/blobs/{}", digest(&config)), CONFIG, config),
            (format!("/blobs/{}", digest(&layer)), LAYER, layer),
        ];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A caller who hangs up has what it wants.
                let _ = answer(stream, &content);
            }
        });
        Registry { address }
    }

    /// Returns the image's name, without a tag.
    pub fn image(&self) -> String {
        format!("{}/engines/airlock", self.address)
    }
}

/// Answers one request and closes the connection.
fn answer(mut stream: TcpStream, content: &[Content]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(Ok(request)) = lines.next() else {
        // TLS is not a line of text.
        return Ok(());
    };
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    match content.iter().find(|(end, _, _)| path.ends_with(end)) {
        Some((_, media_type, body)) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            stream.write_all(body)
        }
        None => write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    }
}

/// Returns an archive that has the file in its root.
fn tar(file: &Path) -> Vec<u8> {
    let archive = file.with_extension("tar");
    let packed = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(file.parent().unwrap())
        .arg(file.file_name().unwrap())
        .status();
    assert!(packed.unwrap().success(), "{} was not packed", file.display());
    fs::read(archive).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
