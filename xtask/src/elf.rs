//! As much of ELF (32 bits, little endian) as it takes to say how large an image is.

use std::fmt::Write;

struct Section<'e> {
    name: &'e str,
    kind: u32,
    flags: u32,
    address: u32,
    offset: usize,
    size: usize,
    link: usize,
}

const WRITE: u32 = 1;
const ALLOC: u32 = 2;
const NO_BITS: u32 = 8;
const SYMBOLS: u32 = 2;

/// Text, static RAM, bytes a connection, and the ten largest symbols.
pub(crate) fn report(elf: &[u8]) -> Option<String> {
    let sections = sections(elf)?;
    let sum = |keep: &dyn Fn(&Section<'_>) -> bool| -> usize {
        sections
            .iter()
            .filter(|section| section.flags & ALLOC != 0 && keep(section))
            .map(|section| section.size)
            .sum()
    };
    // What is written to is stored in flash, too, unless it starts as zeroes.
    let text = sum(&|section| section.kind != NO_BITS);
    let ram = sum(&|section| section.flags & WRITE != 0);
    let mut symbols = symbols(elf, &sections)?;
    symbols.sort_by_key(|symbol| std::cmp::Reverse(symbol.1));
    let connection =
        symbols.iter().find(|symbol| symbol.0 == "PIVOT_BYTES_A_CONNECTION").and_then(|symbol| {
            let home = sections.iter().find(|section| {
                section.kind != NO_BITS
                    && (section.address..section.address + section.size as u32).contains(&symbol.2)
            })?;
            word(elf, home.offset + (symbol.2 - home.address) as usize)
        });
    let mut said = format!("text {text} B, static RAM {ram} B");
    if let Some(bytes) = connection {
        let _ = write!(said, ", buffers of a connection {bytes} B");
    }
    for (name, size, _) in symbols.iter().take(10) {
        let _ = write!(said, "\n  {size:>7} {name}");
    }
    Some(said)
}

fn sections(elf: &[u8]) -> Option<Vec<Section<'_>>> {
    if elf.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let (table, size, count, names) =
        (word(elf, 32)? as usize, half(elf, 46)? as usize, half(elf, 48)? as usize, half(elf, 50)? as usize);
    let names = word(elf, table + names * size + 16)? as usize;
    (0..count)
        .map(|index| {
            let at = table + index * size;
            Some(Section {
                name: text(elf, names + word(elf, at)? as usize)?,
                kind: word(elf, at + 4)?,
                flags: word(elf, at + 8)?,
                address: word(elf, at + 12)?,
                offset: word(elf, at + 16)? as usize,
                size: word(elf, at + 20)? as usize,
                link: word(elf, at + 24)? as usize,
            })
        })
        .collect()
}

/// Name, size and address of each symbol.
fn symbols<'e>(elf: &'e [u8], sections: &[Section<'e>]) -> Option<Vec<(&'e str, usize, u32)>> {
    let Some(table) = sections.iter().find(|section| section.kind == SYMBOLS) else {
        return Some(Vec::new());
    };
    let names = sections.get(table.link)?;
    debug_assert_eq!(names.name, ".strtab");
    (0..table.size / 16)
        .map(|index| {
            let at = table.offset + index * 16;
            Some((
                text(elf, names.offset + word(elf, at)? as usize)?,
                word(elf, at + 8)? as usize,
                word(elf, at + 4)?,
            ))
        })
        .collect()
}

fn word(elf: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?))
}

fn half(elf: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?))
}

fn text(elf: &[u8], at: usize) -> Option<&str> {
    let bytes = elf.get(at..)?;
    let len = bytes.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&bytes[..len]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a text section of 8 bytes, a bss of 100, and their names.
    fn tiny() -> Vec<u8> {
        let names = b"\0.text\0.bss\0.shstrtab\0";
        let mut elf = b"\x7fELF\x01\x01".to_vec();
        elf.resize(52, 0);
        let text_at = elf.len() as u32;
        elf.extend([7; 8]);
        let names_at = elf.len() as u32;
        elf.extend(names);
        let table = elf.len() as u32;
        for section in [
            [1_u32, 1, 2, 0, text_at, 8],
            [7, 8, 3, 0x2000_0000, 0, 100],
            [12, 3, 0, 0, names_at, names.len() as u32],
        ] {
            section.iter().for_each(|word| elf.extend(word.to_le_bytes()));
            elf.extend([0; 16]);
        }
        elf[32..36].copy_from_slice(&table.to_le_bytes());
        elf[46..52].copy_from_slice(&[40, 0, 3, 0, 2, 0]);
        elf
    }

    #[test]
    fn sizes_are_read_from_the_sections_that_are_loaded() {
        assert_eq!(report(&tiny()).unwrap(), "text 8 B, static RAM 100 B");
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let elf = tiny();
        // The last three words of a section header say nothing that is read.
        assert!((0..elf.len() - 12).all(|len| report(&elf[..len]).is_none()));
    }
}
