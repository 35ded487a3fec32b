//! PNGs written by the book, uncompressed, so that readers are tested against something other than their own library.

/// The header of a PNG.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub width: u32,
    pub height: u32,
    /// 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
    pub color: u8,
    pub bits: u8,
    /// 0 none, 1 Adam7.
    pub interlace: u8,
}

/// The header of a palette PNG of 8 bits.
pub const fn palette(width: u32, height: u32) -> Header {
    Header { width, height, color: 3, bits: 8, interlace: 0 }
}

/// Start and step of each pass of Adam7: x, y, x step, y step.
const ADAM7: [[u32; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/// A PNG of these samples, rows from the top, the channels of a pixel together.
pub fn png(header: Header, samples: &[u16]) -> Vec<u8> {
    png_of_data(header, &zlib_stored(&scanlines(header, samples)))
}

/// A PNG of this compressed data, with checksums that fit.
pub fn png_of_data(header: Header, data: &[u8]) -> Vec<u8> {
    let Header { width, height, color, bits, interlace } = header;
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let ihdr = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[bits, color, 0, 0, interlace]].concat();
    chunk(&mut out, *b"IHDR", &ihdr);
    if color == 3 {
        // Colours that differ from the indices: whoever reads through them gets other labels.
        let colors: Vec<u8> = (0..1_usize << bits.min(8)).flat_map(|i| [200_u8.wrapping_sub(i as u8), 90, 7]).collect();
        chunk(&mut out, *b"PLTE", &colors);
        chunk(&mut out, *b"tRNS", &[0, 128]);
    }
    chunk(&mut out, *b"IDAT", data);
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn scanlines(header: Header, samples: &[u16]) -> Vec<u8> {
    let channels = [1, 0, 3, 1, 2, 0, 4][usize::from(header.color)];
    let whole = [[0, 0, 1, 1]];
    let mut out = Vec::new();
    for [x0, y0, dx, dy] in if header.interlace == 0 { &whole[..] } else { &ADAM7[..] } {
        for y in (*y0..header.height).step_by(*dy as usize).filter(|_| *x0 < header.width) {
            let pixel = |x: u32| {
                let start = (y * header.width + x) as usize * channels;
                &samples[start..start + channels]
            };
            let row: Vec<u16> = (*x0..header.width).step_by(*dx as usize).flat_map(pixel).copied().collect();
            out.push(0);
            out.extend(packed(&row, header.bits));
        }
    }
    out
}

fn packed(row: &[u16], bits: u8) -> Vec<u8> {
    match bits {
        16 => row.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
        8 => row.iter().map(|&sample| sample as u8).collect(),
        _ => {
            let in_byte = |samples: &[u16]| {
                let place = |(i, &sample): (usize, &u16)| (sample as u8) << (8 - usize::from(bits) * (i + 1));
                samples.iter().enumerate().map(place).fold(0, |byte, sample| byte | sample)
            };
            row.chunks(8 / usize::from(bits)).map(in_byte).collect()
        }
    }
}

fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    for (i, block) in data.chunks(0xffff).enumerate() {
        let len = block.len() as u16;
        out.push(u8::from((i + 1) * 0xffff >= data.len()));
        out.extend([len.to_le_bytes(), (!len).to_le_bytes()].concat());
        out.extend(block);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (a + b) % 65521)
    });
    out.extend(((b << 16) | a).to_be_bytes());
    out
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(data);
    let crc = out[start..].iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    out.extend((!crc).to_be_bytes());
}
