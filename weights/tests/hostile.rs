//! What hostile files can make the reader take of the machine's memory: one test, since the process' peak is measured.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests, which tell what they measure

use wrs_weights::TensorFile;

/// The most memory this process has had, in MiB.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// A file of before 1.6 up to where its value begins.
fn legacy_start() -> Vec<u8> {
    let bytes = include_bytes!("goldens/legacy.pth");
    let at = bytes.windows(14).position(|w| w == b"\x80\x02ccollections").unwrap();
    bytes[..at].to_vec()
}

#[test]
fn hostile_files_take_little_memory() {
    let Some(before) = peak_mib() else { return };
    let value = |code: &[&[u8]]| [legacy_start(), code.concat()].concat();
    let many = |code: &[u8], count: usize| code.repeat(count);
    let mut files = vec![
        // Lengths that are not there.
        value(&[b"X\xff\xff\xff\x7f"]),
        value(&[b"\x8d\0\0\0\0\x01\0\0\0"]),
        value(&[b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"]),
        // Floods: values, duplicates, marks, memo entries, lists in lists.
        value(&[&many(b"N", 8 << 20)]),
        value(&[b"N", &many(b"2", 8 << 20)]),
        value(&[&many(b"(", 8 << 20)]),
        value(&[b"N", &many(b"\x94", 8 << 20)]),
        value(&[&many(b"]", 4 << 20), &many(b"a", 4 << 20), b"."]),
        // Doubling, and copies of a long list.
        value(&[b"]", &many(b"2\x86", 1 << 20), b"."]),
        value(&[b"]q\x00(", &many(b"N", 1 << 20), b"e", &many(b"cbuiltins\nlist\nh\x00\x85R0", 1 << 16), b"."]),
        // Long texts, kept and dropped.
        value(&[&many(&[b"X\0\0\x08\0".as_slice(), &b"a".repeat(1 << 19), b"0"].concat(), 100)]),
    ];
    // A safetensors header of 50 MB, and one that promises more.
    let mut header = (50_000_000u64).to_le_bytes().to_vec();
    header.push(b'{');
    header.resize(50_000_008, b' ');
    files.push(header);
    files.push([&u64::MAX.to_le_bytes()[..], b"{"].concat());
    // A zip's end that promises a directory of many members.
    let mut zip = b"PK\x03\x04".to_vec();
    zip.resize(40 << 20, 0);
    zip.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff");
    zip.extend((30u32 << 20).to_le_bytes());
    zip.extend(4u32.to_le_bytes());
    zip.extend([0, 0]);
    files.push(zip);
    let given: usize = files.iter().map(Vec::len).sum();
    let made = peak_mib().unwrap();
    for (i, bytes) in files.iter().enumerate() {
        assert!(TensorFile::of_bytes(bytes, "x").is_err(), "file {i} is read");
        println!("file {i} of {} bytes: peak {:.0} MiB", bytes.len(), peak_mib().unwrap());
    }
    println!(
        "before {before:.0} MiB, files {} MiB, with them {made:.0} MiB, after {:.0} MiB",
        given >> 20,
        peak_mib().unwrap()
    );
    assert!(peak_mib().unwrap() - made < 250.0);
}
