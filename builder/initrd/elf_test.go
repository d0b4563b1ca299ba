package initrd

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// program is an ELF file that needs a library, and has nothing else.
func program(library string) string {
	const header, ph, sh, dyn = 64, 56, 64, 16
	strings := "\x00" + library + "\x00"
	names := "\x00.dynamic\x00.dynstr\x00.shstrtab\x00"
	at := uint64(header)
	dynamic := at
	at += 2 * dyn
	dynstr := at
	at += uint64(len(strings))
	shstr := at
	at += uint64(len(names))
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes all
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: at,
		Ehsize: header, Phentsize: ph, Shentsize: sh, Shnum: 4, Shstrndx: 3,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	put(h)
	put(elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: 1})
	put(elf.Dyn64{Tag: int64(elf.DT_NULL)})
	b.WriteString(strings + names)
	put(elf.Section64{})
	put(elf.Section64{Name: 1, Type: uint32(elf.SHT_DYNAMIC), Off: dynamic, Size: 2 * dyn, Link: 2, Entsize: dyn})
	put(elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: dynstr, Size: uint64(len(strings))})
	put(elf.Section64{Name: 18, Type: uint32(elf.SHT_STRTAB), Off: shstr, Size: uint64(len(names))})
	return b.String()
}
