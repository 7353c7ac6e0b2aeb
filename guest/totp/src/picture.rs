//! Draws a QR code as a PNG with one bit for each pixel.

use std::io::Write as _;

use airlock_sdk::{Error, Result};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

/// The largest picture, in pixels. Vault has no limit.
const MAX_SIZE: i64 = 8_192;

/// Returns the picture of a QR code, `size` pixels wide and high. The code is as large as whole pixels allow, and in the
/// middle.
///
/// # Errors
/// [`Error::Internal`], as in Vault, if the text is too long for a QR code or the picture too small for it.
/// [`Error::User`] if the size is over 8,192.
pub(crate) fn png(text: &str, size: i64) -> Result<Vec<u8>> {
    let failed = |why: String| Error::internal(format!("failed to generate QR code image: {why}"));
    let code = QrCode::encode_segments_advanced(
        &[QrSegment::make_bytes(text.as_bytes())],
        QrCodeEcc::Medium,
        Version::MIN,
        Version::MAX,
        None,
        false,
    )
    // Vault's engine repeats the text here, and with it the key.
    .map_err(|_| failed("the URL is too long; choose a smaller key_size, or qr_size=0".into()))?;
    if size > MAX_SIZE {
        return Err(Error::user(format!(
            "the qr_size value must be at most {MAX_SIZE}"
        )));
    }
    let modules = i64::from(code.size());
    let scale = size / modules;
    if scale == 0 {
        return Err(failed(format!(
            "can not scale barcode to an image smaller than {modules}x{modules}"
        )));
    }
    let margin = (size - modules * scale) / 2;
    // A place outside the code is light.
    let module = |pixel: i64| i32::try_from((pixel - margin).div_euclid(scale)).unwrap_or(-1);
    let row = |y: i32| -> Vec<u8> {
        let dark = |x: i64| x < size && code.get_module(module(x), y);
        let byte = |first: i64| (0..8).fold(0_u8, |byte, bit| byte << 1 | u8::from(!dark(first + bit)));
        // Each row begins with the number of its filter; 0 means none.
        std::iter::once(0).chain((0..size).step_by(8).map(byte)).collect()
    };
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut last = (i32::MIN, Vec::new());
    for y in 0..size {
        if last.0 != module(y) {
            last = (module(y), row(module(y)));
        }
        pixels
            .write_all(&last.1)
            .map_err(|error| failed(error.to_string()))?;
    }
    let pixels = pixels.finish().map_err(|error| failed(error.to_string()))?;
    Ok(file(u32::try_from(size).unwrap_or(0), &pixels))
}

/// Puts compressed pixels into the chunks of a PNG.
fn file(size: u32, pixels: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    // One bit of gray, and the only methods that PNG has.
    let header = [&size.to_be_bytes()[..], &size.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    for (kind, data) in [(b"IHDR", &header[..]), (b"IDAT", pixels), (b"IEND", &[])] {
        let length = u32::try_from(data.len()).unwrap_or(0);
        let mut checksum = flate2::Crc::new();
        checksum.update(kind);
        checksum.update(data);
        png.extend(length.to_be_bytes());
        png.extend(kind);
        png.extend(data);
        png.extend(checksum.sum().to_be_bytes());
    }
    png
}
