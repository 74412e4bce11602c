//! A WebSocket that says everything back (RFC 6455): the handshake, and frames as far as an echo needs them.

use std::io;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use crate::http::head::RequestHead;

/// RFC 6455 §1.3: what is hashed with the client's key.
const SECRET: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The largest frame that is echoed.
const FRAME_OCTETS_MAX: usize = 1 << 20;

/// Answers the handshake, then echoes until the client closes. `input` is what came behind the request.
pub(super) async fn echo(
    stream: &mut TcpStream,
    head: &RequestHead,
    mut input: Vec<u8>,
) -> io::Result<()> {
    let Some(key) = head.fields().get("sec-websocket-key") else {
        let answer = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\
                       Content-Length: 0\r\n\r\n";
        return stream.write_all(answer).await;
    };
    let accept = accept(key);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    loop {
        let Some(frame) = Frame::parse(&input)? else {
            let mut room = [0; 4096];
            let count = stream.read(&mut room).await?;
            if count == 0 {
                return Ok(());
            }
            input.extend_from_slice(room.get(..count).unwrap_or_default());
            continue;
        };
        input.drain(..frame.octets);
        match frame.opcode {
            // Text, binary and what continues them: back as they came.
            0..=2 => stream.write_all(&frame.reply(frame.opcode)).await?,
            8 => {
                stream.write_all(&frame.reply(8)).await?;
                return stream.close().await;
            }
            9 => stream.write_all(&frame.reply(10)).await?,
            _ => {}
        }
    }
}

/// A frame as received (RFC 6455 §5.2), unmasked.
struct Frame {
    is_final: bool,
    opcode: u8,
    content: Vec<u8>,
    /// How many octets it took.
    octets: usize,
}

impl Frame {
    /// `None`: not all of it is there.
    fn parse(input: &[u8]) -> io::Result<Option<Self>> {
        let [first, second, rest @ ..] = input else {
            return Ok(None);
        };
        let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        if second & 0x80 == 0 {
            return Err(broken("a client's frame is masked"));
        }
        let (len, rest) = match (second & 0x7f, rest) {
            (126, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                let len = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                (
                    usize::try_from(len).map_err(|_| broken("frame too large"))?,
                    rest,
                )
            }
            (126 | 127, _) => return Ok(None),
            (len, rest) => (usize::from(len), rest),
        };
        if len > FRAME_OCTETS_MAX {
            return Err(broken("frame too large"));
        }
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some(content) = rest.get(..len) else {
            return Ok(None);
        };
        let octets = input.len() - rest.len() + len;
        let content = content
            .iter()
            .zip(mask.iter().cycle())
            .map(|(octet, mask)| octet ^ mask)
            .collect();
        Ok(Some(Self {
            is_final: first & 0x80 != 0,
            opcode: first & 0x0f,
            content,
            octets,
        }))
    }

    fn reply(&self, opcode: u8) -> Vec<u8> {
        let mut frame = vec![if self.is_final { 0x80 | opcode } else { opcode }];
        match self.content.len() {
            len @ 0..=125 => frame.push(len as u8),
            len @ 126..=0xffff => {
                frame.push(126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&self.content);
        frame
    }
}

/// RFC 6455 §4.2.2: proves that the handshake was understood.
fn accept(key: &[u8]) -> String {
    let mut sha = sha1_smol::Sha1::new();
    sha.update(key);
    sha.update(SECRET);
    base64(&sha.digest().bytes())
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS
                .get((bits >> (18 - 6 * place)) as usize & 63)
                .copied()
                .unwrap_or(b'=');
            text.push(if place <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455_is_accepted_as_there() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_frame_cut_short_is_waited_for() {
        let frame = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        for end in 0..frame.len() {
            assert!(Frame::parse(&frame[..end]).unwrap().is_none(), "{end}");
        }
        let parsed = Frame::parse(&frame).unwrap().unwrap();
        assert_eq!(
            (parsed.content.as_slice(), parsed.octets),
            (&b"Hello"[..], frame.len())
        );
        assert_eq!(parsed.reply(1), b"\x81\x05Hello");
    }
}
