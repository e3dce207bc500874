//! The size of an object as an expression over its own words: `16 + 8 * smi@8`.
//!
//! Sizes are data, so that a new V8 needs a new table and no new code. The language has unsigned numbers, places
//! (`smi@8`, `u32@16[10..20]`, with a computed offset as `smi@(8 + 8 * u32@16)`), a step through a pointer
//! (`tagged@8->u32@52`), `+ - * /`, parentheses, and the functions
//! `align(x, n)`, `ceil(x, n)` (quotient rounded up), `eq(a, b)`, `lt(a, b)` (1 or 0), `if(c, a, b)`, `max(a, b)`.

use v8mini_format::Memory;

use super::place::{self, Bits, Encoding, load_raw};
use super::{LayoutError, Place};

/// Deepest nesting of an expression. The deepest in the tables, `ScopeInfo`'s, needs 12.
const MAX_DEPTH: usize = 48;

/// A compiled expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Number(u64),
    /// `header + scale * place`, rounded up to a multiple of 8: nearly every rule has this form, so it has a fast path.
    Linear {
        header: u64,
        scale: u64,
        place: Place,
    },
    Load {
        encoding: Encoding,
        offset: Box<Node>,
        bits: Option<Bits>,
    },
    /// Evaluates the second node in the object that the first one, a tagged word, points at.
    Through {
        pointer: Box<Node>,
        inner: Box<Node>,
    },
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Align,
    Ceil,
    Equal,
    Less,
    If,
    Max,
}

/// The object that an expression is evaluated in.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Bytes from the object's start to the end of what may belong to it.
    pub bytes: &'a [u8],
    /// For steps through pointers.
    pub memory: &'a dyn Memory,
}

impl Expr {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`LayoutError::Syntax`] with the text and what was expected.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let mut parser = Parser {
            text,
            rest: text,
            depth: 0,
        };
        let node = parser.sum()?;
        match parser.peek() {
            None => Ok(Self(simplify(node))),
            Some(_) => Err(parser.expected("the end of the expression")),
        }
    }

    /// The value, or `None` if the object's bytes end too early, a pointer leads nowhere, or the arithmetic overflows.
    pub fn eval(&self, subject: Subject<'_>) -> Option<u64> {
        self.0.eval(subject)
    }
}

/// Recognises `header + scale * place` and `align(header + scale * place, 8)`.
fn simplify(node: Node) -> Node {
    let linear = |node: &Node| -> Option<Node> {
        let Node::Call(Function::Add, terms) = node else {
            return None;
        };
        let [Node::Number(header), term] = terms.as_slice() else {
            return None;
        };
        let (scale, load) = match term {
            Node::Call(Function::Multiply, factors) => match factors.as_slice() {
                [Node::Number(scale), load] => (*scale, load),
                _ => return None,
            },
            load => (1, load),
        };
        let Node::Load {
            encoding,
            offset,
            bits,
        } = load
        else {
            return None;
        };
        let Node::Number(offset) = **offset else {
            return None;
        };
        let place = Place {
            encoding: *encoding,
            offset,
            bits: *bits,
        };
        Some(Node::Linear {
            header: *header,
            scale,
            place,
        })
    };
    match &node {
        // Without `align` the result must be a multiple of 8 by itself for the fast path to mean the same.
        Node::Call(Function::Add, _) => match linear(&node) {
            Some(Node::Linear {
                header,
                scale,
                place,
            }) if header % 8 == 0 && scale % 8 == 0 => Node::Linear {
                header,
                scale,
                place,
            },
            _ => node,
        },
        Node::Call(Function::Align, arguments) => match arguments.as_slice() {
            [inner, Node::Number(8)] => linear(inner).unwrap_or(node),
            _ => node,
        },
        _ => node,
    }
}

impl Node {
    fn eval(&self, subject: Subject<'_>) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Linear {
                header,
                scale,
                place,
            } => {
                let count = place.load(subject.bytes)?;
                scale
                    .checked_mul(count)?
                    .checked_add(*header)?
                    .checked_next_multiple_of(8)
            }
            Self::Load {
                encoding,
                offset,
                bits,
            } => {
                let offset = offset.eval(subject)?;
                let raw = load_raw(subject.bytes, offset, encoding.width())?;
                let value = encoding.decode(raw);
                Some(bits.map_or(value, |bits| bits.extract(value)))
            }
            Self::Through { pointer, inner } => {
                let address = pointer.eval(subject)?.checked_sub(1)?;
                // The headers that the tables look into are shorter than this; the object may end a page.
                let mut bytes = [0; 128];
                let len = [128, 64, 32, 16].into_iter().find(|len| {
                    bytes
                        .get_mut(..*len)
                        .is_some_and(|bytes| subject.memory.read_at(address, bytes).is_ok())
                })?;
                inner.eval(Subject {
                    bytes: bytes.get(..len)?,
                    memory: subject.memory,
                })
            }
            Self::Call(function, arguments) => function.eval(arguments, subject),
        }
    }
}

impl Function {
    fn eval(self, arguments: &[Node], subject: Subject<'_>) -> Option<u64> {
        let argument = |index: usize| arguments.get(index)?.eval(subject);
        match self {
            Self::Add => argument(0)?.checked_add(argument(1)?),
            Self::Subtract => argument(0)?.checked_sub(argument(1)?),
            Self::Multiply => argument(0)?.checked_mul(argument(1)?),
            Self::Divide => argument(0)?.checked_div(argument(1)?),
            Self::Align => argument(0)?.checked_next_multiple_of(argument(1)?),
            Self::Ceil => match argument(1)? {
                0 => None,
                divisor => Some(argument(0)?.div_ceil(divisor)),
            },
            Self::Equal => Some(u64::from(argument(0)? == argument(1)?)),
            Self::Less => Some(u64::from(argument(0)? < argument(1)?)),
            Self::If => argument(if argument(0)? != 0 { 1 } else { 2 }),
            Self::Max => Some(argument(0)?.max(argument(1)?)),
        }
    }

    fn named(name: &str) -> Option<(Self, usize)> {
        Some(match name {
            "align" => (Self::Align, 2),
            "ceil" => (Self::Ceil, 2),
            "eq" => (Self::Equal, 2),
            "lt" => (Self::Less, 2),
            "if" => (Self::If, 3),
            "max" => (Self::Max, 2),
            _ => return None,
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn accept(&mut self, token: &str) -> bool {
        self.peek();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), LayoutError> {
        if self.accept(token) {
            Ok(())
        } else {
            Err(self.expected(&format!("'{token}'")))
        }
    }

    fn expected(&self, what: &str) -> LayoutError {
        let at = self.text.len() - self.rest.len();
        LayoutError::syntax(self.text, &format!("{what} at column {}", at + 1))
    }

    fn word(&mut self) -> &'a str {
        self.peek();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn sum(&mut self) -> Result<Node, LayoutError> {
        let mut node = self.product()?;
        loop {
            let function = match self.peek() {
                Some('+') => Function::Add,
                // `->` belongs to a place.
                Some('-') if !self.rest.starts_with("->") => Function::Subtract,
                _ => return Ok(node),
            };
            self.rest = &self.rest[1..];
            node = Node::Call(function, vec![node, self.product()?]);
        }
    }

    fn product(&mut self) -> Result<Node, LayoutError> {
        let mut node = self.atom()?;
        loop {
            let function = match self.peek() {
                Some('*') => Function::Multiply,
                Some('/') => Function::Divide,
                _ => return Ok(node),
            };
            self.rest = &self.rest[1..];
            node = Node::Call(function, vec![node, self.atom()?]);
        }
    }

    fn atom(&mut self) -> Result<Node, LayoutError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.expected("an expression that is nested less deeply"));
        }
        let node =
            if self.accept("(") {
                let node = self.sum()?;
                self.expect(")")?;
                node
            } else {
                let word = self.word();
                if let Some((function, arity)) = Function::named(word) {
                    self.call(function, arity)?
                } else if self.accept("@") {
                    self.place(word)?
                } else {
                    Node::Number(place::parse_number(word).map_err(|_| {
                        self.expected("a number, a place, a function or a parenthesis")
                    })?)
                }
            };
        self.depth -= 1;
        Ok(node)
    }

    fn call(&mut self, function: Function, arity: usize) -> Result<Node, LayoutError> {
        self.expect("(")?;
        let mut arguments = vec![self.sum()?];
        while arguments.len() < arity {
            self.expect(",")?;
            arguments.push(self.sum()?);
        }
        self.expect(")")?;
        Ok(Node::Call(function, arguments))
    }

    fn place(&mut self, encoding: &str) -> Result<Node, LayoutError> {
        let encoding: Encoding = encoding.parse()?;
        let offset = if self.accept("(") {
            let offset = self.sum()?;
            self.expect(")")?;
            offset
        } else {
            Node::Number(place::parse_number(self.word()).map_err(|_| self.expected("an offset"))?)
        };
        let bits = if self.accept("[") {
            let end = self.rest.find(']').ok_or_else(|| self.expected("']'"))?;
            let (bits, rest) = self.rest.split_at(end);
            self.rest = &rest[1..];
            Some(place::parse_bits(bits.trim())?)
        } else {
            None
        };
        let load = Node::Load {
            encoding,
            offset: Box::new(offset),
            bits,
        };
        if self.accept("->") {
            let inner = self.atom()?;
            return Ok(Node::Through {
                pointer: Box::new(load),
                inner: Box::new(inner),
            });
        }
        Ok(load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::{MemoryRange, ReadError};

    /// 128 bytes at 0x1000 whose 32-bit word at offset 52 is 7.
    struct OneObject;

    impl Memory for OneObject {
        fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
            if addr != 0x1000 || buf.len() != 128 {
                return Err(ReadError::Unmapped {
                    addr,
                    len: buf.len() as u64,
                });
            }
            buf.fill(0);
            buf[52] = 7;
            Ok(())
        }

        fn ranges(&self) -> Vec<MemoryRange> {
            vec![MemoryRange {
                start: 0x1000,
                len: 128,
            }]
        }
    }

    fn eval(text: &str, words: &[u64]) -> Option<u64> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Expr::parse(text).unwrap().eval(Subject {
            bytes: &bytes,
            memory: &OneObject,
        })
    }

    #[test]
    fn arithmetic_and_places() {
        assert_eq!(eval("16 + 8 * smi@8", &[0, 3 << 32]), Some(40));
        assert_eq!(eval("align(16 + u32@12, 8)", &[0, 5 << 32]), Some(24));
        assert_eq!(eval("16 + u32@12", &[0, 5 << 32]), Some(21));
        assert_eq!(
            eval("16 + 4 * ceil(u32@8, 6) + 2 * u32@12", &[0, 13 | 3 << 32]),
            Some(34)
        );
        assert_eq!(
            eval("8 + 8 * (3 + if(eq(u32@8[0..4], 3), 10, 20))", &[0, 0x13]),
            Some(112)
        );
        assert_eq!(eval("smi@(8 + 8 * u8@0)", &[1, 0, 9 << 32]), Some(9));
        assert_eq!(eval("max(2, lt(1, 2)) - 1 / 1", &[]), Some(1));
        assert_eq!(eval("tagged@8->u32@52 * 2", &[0, 0x1001]), Some(14));
    }

    #[test]
    fn hostile_values_end_in_none() {
        assert_eq!(eval("16 + 8 * u64@8", &[0, u64::MAX]), None);
        assert_eq!(eval("16 + 8 * smi@8", &[0, (-1_i64 as u64) << 32]), None);
        assert_eq!(eval("16 + 8 * smi@8", &[0]), None);
        assert_eq!(eval("1 / u64@0", &[0]), None);
        assert_eq!(eval("align(1, u64@0)", &[0]), None);
        assert_eq!(eval("tagged@8->u32@52", &[0, 0x2001]), None);
        assert_eq!(eval("tagged@8->u32@52", &[0, 0]), None);
        assert_eq!(eval("1 - 2", &[]), None);
    }

    #[test]
    fn errors_name_the_place() {
        for (text, column) in [
            ("16 +", 5),
            ("16 + 8 *", 9),
            ("(1", 3),
            ("1 1", 3),
            ("eq(1)", 5),
        ] {
            let message = Expr::parse(text).unwrap_err().to_string();
            assert!(
                message.contains(&format!("column {column}")),
                "{text}: {message}"
            );
        }
        let deep = format!("{}1{}", "(".repeat(100), ")".repeat(100));
        assert!(Expr::parse(&deep).is_err());
    }
}
