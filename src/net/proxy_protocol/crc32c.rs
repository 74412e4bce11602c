//! CRC-32C, the checksum of version 2 (RFC 4960 appendix B).

/// The polynomial 0x1EDC6F41, its bits in reverse.
const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut sum = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[octet] = sum;
        octet += 1;
    }
    table
};

/// The checksum of the pieces, one behind the other.
pub(super) fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let octets = pieces.into_iter().flatten();
    !octets.fold(!0, |sum, octet| {
        // A `u8` is a place in the table.
        TABLE[usize::from(sum as u8 ^ octet)] ^ sum >> 8
    })
}
