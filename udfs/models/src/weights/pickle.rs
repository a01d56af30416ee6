//! Reads the pickle of a PyTorch file without executing it.
//!
//! A pickle is a program for a stack machine, and Python's machine calls any function that the program names. This one knows the
//! instructions and the four functions with which `torch.save` describes a dictionary of tensors, computes nothing else, and refuses a
//! file that asks for more. Instructions: CPython's `Lib/pickletools.py`.

use std::{collections::HashMap, path::Path};

use super::Stored;
use crate::ModelError;

/// A tensor: part of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub stored: Stored,
    pub storage: String,
    /// In numbers, not bytes.
    pub offset: u64,
    pub shape: Vec<usize>,
}

/// Why a pickle is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It names something that describes no tensor.
    Code(String),
    /// It is cut off or makes no sense.
    Damaged(&'static str),
}

impl Refusal {
    pub fn at(self, path: &Path) -> ModelError {
        match self {
            Self::Code(what) => ModelError::Code {
                path: path.to_owned(),
                what,
            },
            Self::Damaged(reason) => ModelError::weights(path, format!("damaged pickle: {reason}")),
        }
    }
}

/// What the four functions make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Stored),
}

/// A value on the stack. Strings and collections lie in lists of the machine, so that copying is cheap and nothing nests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Mark,
    Nothing,
    Number(i64),
    Text(usize),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Function(Function),
    Storage(usize),
    Tensor(usize),
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    texts: Vec<&'a str>,
    tuples: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
    storages: Vec<(Stored, &'a str)>,
    tensors: Vec<Tensor>,
    lists: usize,
}

type Step<T = ()> = Result<T, Refusal>;
const CUT: Refusal = Refusal::Damaged("it is cut off");
const EMPTY: Refusal = Refusal::Damaged("an instruction lacks its values");
const ODD: Refusal = Refusal::Damaged("a value is not of the kind that describes tensors");

/// The named tensors that a pickle describes.
pub(super) fn tensors(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, Refusal> {
    let mut machine = Machine {
        bytes,
        ..Machine::default()
    };
    let Value::Dict(all) = machine.run()? else {
        return Err(Refusal::Damaged("it is no dictionary of tensors"));
    };
    let mut named = Vec::new();
    for (name, value) in &machine.dicts[all] {
        if let (Value::Text(name), Value::Tensor(tensor)) = (name, value) {
            named.push((
                machine.texts[*name].to_owned(),
                machine.tensors[*tensor].clone(),
            ));
        }
    }
    Ok(named)
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Value> {
        loop {
            let [instruction] = self.array()?;
            match instruction {
                // PROTO and FRAME say how the rest is written.
                0x80 => drop(self.array::<1>()?),
                0x95 => drop(self.array::<8>()?),
                b'(' => self.stack.push(Value::Mark),
                b'N' => self.stack.push(Value::Nothing),
                0x88 => self.stack.push(Value::Number(1)),
                0x89 => self.stack.push(Value::Number(0)),
                b'J' => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Number(i64::from(number)));
                }
                b'K' => {
                    let [number] = self.array()?;
                    self.stack.push(Value::Number(i64::from(number)));
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Number(i64::from(number)));
                }
                0x8a => self.long()?,
                b'G' => {
                    self.array::<8>()?; // a real number describes no tensor
                    self.stack.push(Value::Nothing);
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8c => {
                    let [length] = self.array()?;
                    self.text(length as usize)?;
                }
                b')' => self.tuple(Vec::new()),
                0x85..=0x87 => {
                    let count = usize::from(instruction - 0x84);
                    let first = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
                    let items = self.stack.split_off(first);
                    self.tuple(items);
                }
                b't' => {
                    let items = self.marked()?;
                    self.tuple(items);
                }
                b']' => {
                    self.lists += 1;
                    self.stack.push(Value::List(self.lists - 1));
                }
                b'a' => drop(self.pop()?),
                b'e' => drop(self.marked()?),
                b'}' => self.dict(),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.fill(vec![key, value])?;
                }
                b'u' => {
                    let items = self.marked()?;
                    self.fill(items)?;
                }
                // BUILD sets attributes (`_metadata` of a state dictionary), which describe no tensor.
                b'b' => match (self.pop()?, self.stack.last()) {
                    (Value::Dict(_) | Value::Tuple(_), Some(Value::Dict(_))) => {}
                    _ => return Err(Refusal::Code("it sets the state of an object".to_owned())),
                },
                b'q' => {
                    let [slot] = self.array()?;
                    self.remember(u32::from(slot))?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.remember(slot)?;
                }
                0x94 => self.remember(self.memo.len() as u32)?,
                b'h' => {
                    let [slot] = self.array()?;
                    self.recall(u32::from(slot))?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.recall(slot)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.function(module, name)?;
                }
                0x93 => {
                    let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?)
                    else {
                        return Err(ODD);
                    };
                    self.function(self.texts[module], self.texts[name])?;
                }
                b'Q' => self.storage()?,
                b'R' => self.call()?,
                b'.' => return self.pop(),
                other => return Err(Refusal::Code(format!("instruction 0x{other:02x}"))),
            }
        }
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (found, rest) = self.bytes.split_first_chunk::<N>().ok_or(CUT)?;
        self.bytes = rest;
        Ok(*found)
    }

    fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let (found, rest) = self.bytes.split_at_checked(length).ok_or(CUT)?;
        self.bytes = rest;
        Ok(found)
    }

    fn line(&mut self) -> Step<&'a str> {
        let end = self
            .bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(CUT)?;
        let line = self.take(end)?;
        self.array::<1>()?;
        std::str::from_utf8(line).map_err(|_| ODD)
    }

    fn text(&mut self, length: usize) -> Step {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| ODD)?;
        self.texts.push(text);
        self.stack.push(Value::Text(self.texts.len() - 1));
        Ok(())
    }

    fn long(&mut self) -> Step {
        let [length] = self.array()?;
        let digits = self.take(usize::from(length))?;
        if digits.len() > 8 {
            return Err(ODD);
        }
        let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..digits.len()].copy_from_slice(digits);
        self.stack.push(Value::Number(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn pop(&mut self) -> Step<Value> {
        self.stack.pop().ok_or(EMPTY)
    }

    /// Takes everything above the last mark, and the mark.
    fn marked(&mut self) -> Step<Vec<Value>> {
        let mark = self
            .stack
            .iter()
            .rposition(|value| *value == Value::Mark)
            .ok_or(EMPTY)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn tuple(&mut self, items: Vec<Value>) {
        self.tuples.push(items);
        self.stack.push(Value::Tuple(self.tuples.len() - 1));
    }

    fn dict(&mut self) {
        self.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.dicts.len() - 1));
    }

    fn fill(&mut self, items: Vec<Value>) -> Step {
        let Some(Value::Dict(dict)) = self.stack.last() else {
            return Err(ODD);
        };
        let (pairs, _) = items.as_chunks::<2>();
        self.dicts[*dict].extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Step {
        let value = *self.stack.last().ok_or(EMPTY)?;
        self.memo.insert(slot, value);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Step {
        let value = *self.memo.get(&slot).ok_or(EMPTY)?;
        self.stack.push(value);
        Ok(())
    }

    /// The functions that are known; anything else could do anything.
    fn function(&mut self, module: &str, name: &str) -> Step {
        let function = match (module, name) {
            ("collections", "OrderedDict") => Function::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Function::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Function::RebuildParameter,
            ("torch", "FloatStorage") => Function::Storage(Stored::F32),
            ("torch", "HalfStorage") => Function::Storage(Stored::F16),
            ("torch", "BFloat16Storage") => Function::Storage(Stored::Bf16),
            ("torch", "DoubleStorage" | "LongStorage") => Function::Storage(Stored::Other(8)),
            ("torch", "IntStorage") => Function::Storage(Stored::Other(4)),
            ("torch", "ShortStorage") => Function::Storage(Stored::Other(2)),
            ("torch", "ByteStorage" | "CharStorage" | "BoolStorage") => {
                Function::Storage(Stored::Other(1))
            }
            _ => return Err(Refusal::Code(format!("it names {module}.{name}"))),
        };
        self.stack.push(Value::Function(function));
        Ok(())
    }

    /// `('storage', type, key, device, numbers)`.
    fn storage(&mut self) -> Step {
        let Value::Tuple(tuple) = self.pop()? else {
            return Err(ODD);
        };
        let [
            Value::Text(word),
            Value::Function(Function::Storage(stored)),
            Value::Text(key),
            ..,
        ] = self.tuples[tuple][..]
        else {
            return Err(ODD);
        };
        if self.texts[word] != "storage" {
            return Err(ODD);
        }
        self.storages.push((stored, self.texts[key]));
        self.stack.push(Value::Storage(self.storages.len() - 1));
        Ok(())
    }

    fn call(&mut self) -> Step {
        let (Value::Tuple(arguments), Value::Function(function)) = (self.pop()?, self.pop()?)
        else {
            return Err(ODD);
        };
        match function {
            Function::OrderedDict => {
                self.dict();
                Ok(())
            }
            Function::RebuildParameter => match self.tuples[arguments].first() {
                Some(tensor @ Value::Tensor(_)) => {
                    self.stack.push(*tensor);
                    Ok(())
                }
                _ => Err(ODD),
            },
            Function::RebuildTensor => self.rebuild(arguments),
            Function::Storage(_) => Err(ODD),
        }
    }

    /// `(storage, offset, shape, strides, …)`.
    fn rebuild(&mut self, arguments: usize) -> Step {
        let [
            Value::Storage(storage),
            Value::Number(offset),
            Value::Tuple(shape),
            Value::Tuple(strides),
            ..,
        ] = self.tuples[arguments][..]
        else {
            return Err(ODD);
        };
        let (shape, strides) = (self.sides(shape)?, self.sides(strides)?);
        let mut stride = 1usize;
        for (index, side) in shape.iter().enumerate().rev() {
            if *side > 1 && strides.get(index) != Some(&stride) {
                return Err(Refusal::Damaged("a tensor is not stored row by row"));
            }
            stride = stride.checked_mul(*side).ok_or(ODD)?;
        }
        let (stored, key) = self.storages[storage];
        self.tensors.push(Tensor {
            stored,
            storage: key.to_owned(),
            offset: u64::try_from(offset).map_err(|_| ODD)?,
            shape,
        });
        self.stack.push(Value::Tensor(self.tensors.len() - 1));
        Ok(())
    }

    fn sides(&self, tuple: usize) -> Step<Vec<usize>> {
        let sides = self.tuples[tuple].iter().map(|value| match value {
            Value::Number(number) => usize::try_from(*number).map_err(|_| ODD),
            _ => Err(ODD),
        });
        sides.collect()
    }
}
