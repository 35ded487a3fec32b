use super::*;
use crate::source::Source;

fn load(pickle: &[u8]) -> (Values, Result<Id, PickleError>) {
    let (source, mut values) = (Source::Bytes(pickle), Values::default());
    let result = Machine::load(&mut Input::new(&source, 0, pickle.len() as u64), &mut values);
    (values, result)
}

fn summary(pickle: &[u8]) -> String {
    let (values, result) = load(pickle);
    match result {
        Ok(id) => values.summary(id),
        Err(PickleError::Broken { at, reason }) => format!("at {at}: {reason}"),
        Err(PickleError::Refused { global, .. }) => format!("refused {global}"),
        Err(PickleError::Io(error)) => format!("io {error}"),
    }
}

#[test]
fn scalars_are_what_python_wrote() {
    for (pickle, expected) in [
        (&b"N."[..], "None"),
        (b"\x80\x02\x88.", "true"),
        (b"J\xfe\xff\xff\xff.", "-2"),
        (b"M\x01\x02.", "513"),
        (b"\x8a\x01\xff.", "-1"),
        (b"\x8a\x00.", "0"),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01.", "a long integer"),
        (b"G\x3f\xf8\0\0\0\0\0\0.", "1.5"),
        (b"X\x02\0\0\0ab.", "\"ab\""),
        (b"\x8c\x02ab.", "\"ab\""),
        (b"U\x02\xff\xfe.", "a bytes"),
        (b"\x80\x04\x95\x03\0\0\0\0\0\0\0K\x05.", "5"),
        (b"(K\x01K\x02t.", "a list of 2"),
        (b"K\x01K\x02K\x03\x87.", "a list of 3"),
        (b"]q\x00(K\x01K\x02eh\x00\x86.", "a list of 2"),
        (b"}(K\x01K\x02K\x03K\x04u.", "a dict of 2"),
        (b"ccollections\nOrderedDict\n]]K\x01aK\x02aa\x85R.", "a dict of 1"),
        (b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93)R.", "a dict of 0"),
        (b"cargparse\nNamespace\n)\x81}X\x01\0\0\0aK\x01sb.", "a Namespace"),
        (b"c__builtin__\nset\n]K\x01a\x85R.", "a set"),
    ] {
        assert_eq!(summary(pickle), expected, "{}", pickle.escape_ascii());
    }
}

#[test]
fn names_beyond_the_list_end_the_reading() {
    for (pickle, name) in [
        (&b"cos\nsystem\nX\x06\0\0\0rm -rf\x85R."[..], "os.system"),
        (b"cposix\nsystem\n.", "posix.system"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"c__builtin__\nexec\n.", "__builtin__.exec"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"\x8c\x0asubprocess\x94\x8c\x05Popen\x94\x93.", "subprocess.Popen"),
        (b"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"crunpy\n_run_code\n.", "runpy._run_code"),
        (b"cmodels.yolo\nModel\n.", "models.yolo.Model"),
        (b"ca\x1b[2J\nb\n.", "a\\u{1b}[2J.b"),
    ] {
        assert_eq!(summary(pickle), format!("refused {name}"));
    }
}

#[test]
fn broken_ones_say_where() {
    for (pickle, expected) in [
        (&b""[..], "at 0: expected 1 more bytes, got 0"),
        (b"X\xff\xff\xff\xffab.", "at 5: expected 4294967295 more bytes, got 3"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.", "at 9: expected 18446744073709551615 more bytes, got 3"),
        (b"\x8e\0\0\0\0\0\0\0\x80.", "at 9: expected 9223372036854775808 more bytes, got 1"),
        (b"\x8b\xff\xff\xff\x7f.", "at 5: an integer of 2147483647 bytes"),
        (b".", "at 1: expected a value on the stack, got none"),
        (b"K\x01(0.", "at 4: expected a value on the stack, got none"),
        (b"e.", "at 1: expected a mark on the stack, got none"),
        (b"h\x07.", "at 2: number 7 of the memo, which is not there"),
        (b"K\x01K\x02a.", "at 5: items for something that holds none"),
        (b"}(K\x01u.", "at 5: expected keys with values, got a key without"),
        (b"K\x01)R.", "at 4: a call of something that is no class"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "at 35: a thing of a class without what belongs to it"),
        (b"K\x01Q.", "at 3: expected a storage, got something else"),
        (b"\x82\x01.", "at 1: opcode 0x82, which no file of weights has"),
        (b"i.", "at 1: opcode 0x69, which no file of weights has"),
        (b"cos", "at 3: expected the end of a line"),
    ] {
        assert_eq!(summary(pickle), expected);
    }
}

#[test]
fn depth_and_cycles_cost_nothing() {
    let mut deep = vec![b']'; 100_000];
    deep.extend(b"a".repeat(99_999));
    deep.push(b'.');
    assert_eq!(summary(&deep), "a list of 1");
    // A list that holds itself, and a dictionary that is its own value.
    assert_eq!(summary(b"]q\x00h\x00ah\x00a."), "a list of 2");
    assert_eq!(summary(b"}q\x00X\x01\0\0\0ah\x00s."), "a dict of 1");
}

/// Each list holds the one before twice: two to the 20,000th parts in Python's eyes, 20,000 values here.
#[test]
fn doubled_lists_are_no_larger_than_their_bytes() {
    let mut bomb = b"]".to_vec();
    for _ in 0..20_000 {
        bomb.extend(b"2\x86"); // DUP, TUPLE2
    }
    bomb.push(b'.');
    let (values, result) = load(&bomb);
    assert!(result.is_ok());
    assert_eq!(values.iter().count(), 20_001);
}

/// A call copies what it is given, so many calls of one long list are counted.
#[test]
fn copies_are_counted() {
    let mut bomb = b"ccollections\nOrderedDict\nq\x00}q\x01(".to_vec();
    bomb.extend(b"K\x01K\x01".repeat(50_000));
    bomb.extend(b"u");
    bomb.extend(b"h\x00h\x01\x85R0".repeat(100_000));
    bomb.push(b'.');
    let told = summary(&bomb);
    assert!(told.contains("expected at most 4194304 items in calls"), "{told}");
}

#[test]
fn floods_of_values_end() {
    let mut flood = b"N".repeat(3 << 20);
    flood.push(b'.');
    assert!(summary(&flood).contains("expected at most 2097152 values"), "{}", summary(&flood));
    let mut flood = b"N".to_vec();
    flood.extend(b"2".repeat(3 << 20));
    assert!(summary(&flood).contains("expected a stack of at most 2097152"), "{}", summary(&flood));
    assert!(summary(&b"(".repeat(3 << 20)).contains("expected at most 2097152 marks"));
}
