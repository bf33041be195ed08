//! PyTorch's pickles, read without running anything: dictionaries, numbers, texts and tensors.

use std::collections::HashMap;

/// A value in a pickle.
#[derive(Debug, Clone)]
pub(crate) enum Pickled {
    Text(String),
    Number(i64),
    List(Vec<Pickled>),
    /// Pairs; what is no text as a key is left out.
    Dict(Vec<(String, Pickled)>),
    /// A name that PyTorch would call.
    Global(String),
    /// Type and member of a storage.
    Storage(String, String),
    Tensor(StoredTensor),
    /// Something that matters to no tensor.
    Other,
}

/// A tensor as its pickle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTensor {
    /// PyTorch's storage class, `FloatStorage`.
    pub(crate) storage: String,
    /// The member of the archive that holds the values.
    pub(crate) member: String,
    /// Its first value there.
    pub(crate) offset: i64,
    pub(crate) shape: Vec<i64>,
    pub(crate) strides: Vec<i64>,
}

/// Names that stand in harmless checkpoints.
const HARMLESS: &[&str] = &[
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "argparse.Namespace",
];

/// Most values that are kept at once.
const MOST: usize = 4 << 20;

/// Most bytes that repetitions may take together: each names a value in two bytes and gets all of it.
const MOST_REPEATED: usize = 64 << 20;

/// Deepest nesting of lists and dictionaries.
const DEEPEST: usize = 64;

/// The value that `bytes` hold.
///
/// # Errors
///
/// What is wrong, in words: an end before the end, an instruction that tensors do not need, or a name that PyTorch would
/// call.
pub(crate) fn unpickle(bytes: &[u8]) -> Result<Pickled, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        repeated: 0,
    };
    loop {
        if machine.stack.len() > MOST {
            return Err("its pickle holds too many values".to_owned());
        }
        if let Some(value) = machine.step()? {
            return Ok(value);
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Pickled>,
    marks: Vec<usize>,
    memo: HashMap<usize, Pickled>,
    /// Bytes that repetitions took so far.
    repeated: usize,
}

impl Pickled {
    /// Its items, or the values of its pairs.
    fn inner(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::List(items) => Box::new(items.iter()),
            Self::Dict(pairs) => Box::new(pairs.iter().map(|(_, value)| value)),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn depth(&self) -> usize {
        1 + self.inner().map(Self::depth).max().unwrap_or(0)
    }

    /// Roughly what a copy of it takes, in bytes.
    fn weight(&self) -> usize {
        let own = match self {
            Self::Text(text) | Self::Global(text) => text.len(),
            Self::Storage(class, member) => class.len() + member.len(),
            _ => 0,
        };
        size_of::<Self>() + own + self.inner().map(Self::weight).sum::<usize>()
    }
}

/// Refuses to put values into a list or dictionary that would then be nested too deeply.
fn shallow(items: &[Pickled]) -> Result<(), String> {
    match items.iter().all(|item| item.depth() < DEEPEST) {
        true => Ok(()),
        false => Err("its pickle is nested too deeply".to_owned()),
    }
}

impl Machine<'_> {
    /// Runs one instruction; the result at the end.
    fn step(&mut self) -> Result<Option<Pickled>, String> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'}' => self.stack.push(Pickled::Dict(Vec::new())),
            b')' | b']' => self.stack.push(Pickled::List(Vec::new())),
            b'N' | 0x88 | 0x89 => self.stack.push(Pickled::Other),
            b'G' => {
                self.take(8)?;
                self.stack.push(Pickled::Other);
            }
            b'K' => self.integer(1, false)?,
            b'M' => self.integer(2, false)?,
            b'J' => self.integer(4, true)?,
            0x8a => {
                let bytes = self.byte()?;
                self.integer(bytes.into(), true)?;
            }
            b'X' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            0x94 => self.remember(self.memo.len())?,
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b't' | b'l' => {
                let items = self.since_mark()?;
                self.list(items)?;
            }
            count @ 0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(count - 0x84));
                let items = self.stack.split_off(from.ok_or_else(short)?);
                self.list(items)?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![key, value])?;
            }
            b'Q' => self.storage()?,
            b'R' | 0x81 => self.call()?,
            b'b' => drop(self.pop()?),
            other => {
                return Err(format!(
                    "its pickle has the instruction {other:#04x}, which no tensor needs"
                ));
            }
        }
        Ok(None)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).ok_or_else(short)?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(short)?;
        self.at = end;
        Ok(bytes)
    }

    /// An unsigned little-endian number.
    fn number(&mut self, count: usize) -> Result<usize, String> {
        let bytes = self.take(count)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A number of so many bytes, with a sign or without; what is too long for one is none.
    fn integer(&mut self, count: usize, signed: bool) -> Result<(), String> {
        let bytes = self.take(count)?;
        let negative = signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut word = if negative { [0xff; 8] } else { [0; 8] };
        let value = match word.get_mut(..count) {
            None => Pickled::Other,
            Some(part) => {
                part.copy_from_slice(bytes);
                Pickled::Number(i64::from_le_bytes(word))
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, count: usize) -> Result<(), String> {
        let length = self.number(count)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.stack.push(Pickled::Text(text));
        Ok(())
    }

    fn pop(&mut self) -> Result<Pickled, String> {
        self.stack.pop().ok_or_else(short)
    }

    fn since_mark(&mut self) -> Result<Vec<Pickled>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(short)?))
    }

    fn put(&mut self, count: usize) -> Result<(), String> {
        let index = self.number(count)?;
        self.remember(index)
    }

    /// Keeps what is small: names, texts and storages. Nothing refers to a whole dictionary twice.
    fn remember(&mut self, index: usize) -> Result<(), String> {
        let value = match self.stack.last().ok_or_else(short)? {
            value @ (Pickled::Text(_)
            | Pickled::Number(_)
            | Pickled::Global(_)
            | Pickled::Storage(..)) => value.clone(),
            list @ Pickled::List(items) if items.len() <= 8 => list.clone(),
            _ => Pickled::Other,
        };
        self.repeat(&value)?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn get(&mut self, count: usize) -> Result<(), String> {
        let index = self.number(count)?;
        let value = self.memo.get(&index).cloned().ok_or_else(short)?;
        self.repeat(&value)?;
        self.stack.push(value);
        Ok(())
    }

    /// Counts a copy of `value`, which was within the limit when it was made.
    fn repeat(&mut self, value: &Pickled) -> Result<(), String> {
        self.repeated += value.weight();
        match self.repeated <= MOST_REPEATED {
            true => Ok(()),
            false => Err("its pickle repeats too much".to_owned()),
        }
    }

    fn list(&mut self, items: Vec<Pickled>) -> Result<(), String> {
        shallow(&items)?;
        self.stack.push(Pickled::List(items));
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(short)?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn global(&mut self) -> Result<(), String> {
        let name = format!("{}.{}", self.line()?, self.line()?);
        self.named(name)
    }

    fn stack_global(&mut self) -> Result<(), String> {
        match (self.pop()?, self.pop()?) {
            (Pickled::Text(name), Pickled::Text(module)) => self.named(format!("{module}.{name}")),
            _ => Err(short()),
        }
    }

    fn named(&mut self, name: String) -> Result<(), String> {
        let storage = name.starts_with("torch.") && name.ends_with("Storage");
        let dtype = name
            .strip_prefix("torch.")
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !storage && !dtype && !HARMLESS.contains(&name.as_str()) {
            return Err(format!(
                "its pickle would call '{name}' when PyTorch reads it; it is refused"
            ));
        }
        self.stack.push(Pickled::Global(name));
        Ok(())
    }

    /// `("storage", class, member, device, count)`.
    fn storage(&mut self) -> Result<(), String> {
        let Pickled::List(items) = self.pop()? else {
            return Err(short());
        };
        let [_, Pickled::Global(class), Pickled::Text(member), ..] = items.as_slice() else {
            return Err(short());
        };
        let class = class.rsplit('.').next().unwrap_or_default().to_owned();
        self.stack.push(Pickled::Storage(class, member.clone()));
        Ok(())
    }

    fn append(&mut self, items: Vec<Pickled>) -> Result<(), String> {
        shallow(&items)?;
        if let Some(Pickled::List(list)) = self.stack.last_mut() {
            list.extend(items);
        }
        Ok(())
    }

    fn insert(&mut self, items: Vec<Pickled>) -> Result<(), String> {
        shallow(&items)?;
        if let Some(Pickled::Dict(pairs)) = self.stack.last_mut() {
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                if let Pickled::Text(key) = key {
                    pairs.push((key, value));
                }
            }
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let (Pickled::Global(name), Pickled::List(arguments)) = (callee, arguments) else {
            return Err(short());
        };
        let result = match (name.as_str(), arguments.as_slice()) {
            ("collections.OrderedDict", _) => Pickled::Dict(Vec::new()),
            ("torch._utils._rebuild_parameter", [tensor, ..]) => tensor.clone(),
            (
                "torch._utils._rebuild_tensor_v2",
                [
                    Pickled::Storage(storage, member),
                    Pickled::Number(offset),
                    Pickled::List(shape),
                    Pickled::List(strides),
                    ..,
                ],
            ) => Pickled::Tensor(StoredTensor {
                storage: storage.clone(),
                member: member.clone(),
                offset: *offset,
                shape: numbers(shape)?,
                strides: numbers(strides)?,
            }),
            _ => Pickled::Other,
        };
        self.stack.push(result);
        Ok(())
    }
}

fn numbers(values: &[Pickled]) -> Result<Vec<i64>, String> {
    let number = |value: &Pickled| match value {
        Pickled::Number(number) => Ok(*number),
        _ => Err(short()),
    };
    values.iter().map(number).collect()
}

fn short() -> String {
    "its pickle is broken or truncated".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_be_called_is_refused_and_nothing_runs() {
        let error = unpickle(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
        assert!(error.contains("'os.system'"), "{error}");
        let error = unpickle(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").unwrap_err();
        assert!(error.contains("'builtins.eval'"), "{error}");
    }

    /// Each list holds the one before it eight times over.
    #[test]
    fn repetitions_of_repetitions_are_refused() {
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for level in 0..60 {
            bytes.push(b'(');
            bytes.extend([b'h', level].repeat(8));
            bytes.extend([b'l', b'q', level + 1]);
        }
        bytes.push(b'.');
        let error = unpickle(&bytes).unwrap_err();
        assert!(error.contains("repeats too much"), "{error}");
        let long = [
            b"\x80\x02X\x00\x00\x10\x00".to_vec(),
            vec![b'a'; 1 << 20],
            b"q\x00".to_vec(),
        ]
        .concat();
        let error = unpickle(&[long, b"h\x00".repeat(1000)].concat()).unwrap_err();
        assert!(error.contains("repeats too much"), "{error}");
    }

    /// Values that deep would overflow the stack when they are dropped.
    #[test]
    fn deep_nesting_is_refused() {
        let deep = [b"\x80\x02]".to_vec(), vec![0x85; 10_000_000], b".".to_vec()].concat();
        let error = unpickle(&deep).unwrap_err();
        assert!(error.contains("nested too deeply"), "{error}");
    }

    #[test]
    fn what_ends_early_is_an_error_at_every_length() {
        let whole = b"\x80\x02}X\x01\x00\x00\x00aK\x05s.";
        let Pickled::Dict(pairs) = unpickle(whole).unwrap() else {
            panic!("expected a dictionary");
        };
        assert!(matches!(pairs[0], (ref name, Pickled::Number(5)) if name == "a"));
        for length in 0..whole.len() {
            assert!(unpickle(&whole[..length]).is_err());
        }
    }
}
