package configiso

import (
	"errors"
	"fmt"
	"strings"
)

// rockRidgeNames are POSIX names in the system use fields of the plain tree, by
// SUSP (IEEE P1281) and RRIP (IEEE P1282).
type rockRidgeNames struct {
	skip int // bytes of each system use field that belong to somebody else (SUSP 5.3)
}

const (
	// maxContinuations is how often a system use field may go on elsewhere; the
	// limit of Linux (RR_MAX_CE_ENTRIES).
	maxContinuations = 32
	// maxName is the longest name that Linux shows, in bytes (NAME_MAX).
	maxName = 255
)

// Bits of the flags of an NM field (RRIP 4.1.4).
const flagNameSelf, flagNameParent = 1 << 1, 1 << 2

// Bits of a file's mode in a PX field, as of stat(2) (RRIP 4.1.1).
const modeType, modeFolder, modeFile, modeLink = 0o170000, 0o040000, 0o100000, 0o120000

// rockRidge looks at the root's record of itself, which says whether the volume
// has Rock Ridge. It returns nil if not.
func (d *disk) rockRidge() (naming, error) {
	root, err := d.self(d.root.sector)
	if err != nil {
		return nil, fmt.Errorf("root folder: %w", err)
	}
	if len(root.use) < 7 || string(root.use[:2]) != "SP" || root.use[4] != 0xBE || root.use[5] != 0xEF {
		return nil, nil
	}
	found := false
	err = d.systemUse(root.use, func(signature string, data []byte) error {
		if signature == "ER" && len(data) >= 4 && 4+int(data[0]) <= len(data) {
			switch string(data[4 : 4+int(data[0])]) {
			case "RRIP_1991A", "IEEE_P1282", "IEEE_1282":
				found = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("root folder: %w", err)
	}
	if !found {
		return nil, nil
	}
	return &rockRidgeNames{skip: int(root.use[6])}, nil
}

// self reads the first record of a folder, which is the folder's own.
func (d *disk) self(sector uint32) (record, error) {
	b, err := d.folderBytes(sector, 0, sectorSize)
	if err != nil {
		return record{}, err
	}
	r, err := parseRecord(b)
	if err == nil && (r.id != idSelf || !r.isFolder()) {
		err = errors.New("no folder starts here")
	}
	if err != nil {
		return record{}, fmt.Errorf("sector %d: %w", sector, err)
	}
	return r, nil
}

func (n *rockRidgeNames) name(d *disk, r record) (string, record, error) {
	var name strings.Builder
	hidden := false
	elsewhere := uint32(0)
	err := d.systemUse(r.use[min(n.skip, len(r.use)):], func(signature string, data []byte) error {
		switch signature {
		case "NM":
			return addName(&name, data)
		case "PX":
			return checkMode(data)
		case "RE": // a deep folder, moved to where plain ECMA-119 allows it
			hidden = true
		case "CL": // a file in the place of such a folder
			var err error
			if len(data) >= 8 {
				elsewhere, err = both32(data)
			}
			return err
		case "ZF":
			return errors.New("it is compressed by zisofs, which is not supported")
		case "SF":
			return errors.New("it is a sparse file, which is not supported")
		}
		return nil
	})
	if err != nil {
		return "", r, err
	}
	if hidden {
		r.flags |= flagAssociated
		return "", r, nil
	}
	if elsewhere != 0 {
		folder, err := d.self(elsewhere)
		if err != nil {
			return "", r, fmt.Errorf("moved folder: %w", err)
		}
		r.sector, r.length, r.flags = folder.sector, folder.length, folder.flags
	}
	if name.Len() == 0 {
		return plainName(r.id), r, nil
	}
	return name.String(), r, nil
}

func addName(name *strings.Builder, data []byte) error {
	if len(data) < 1 || data[0]&(flagNameSelf|flagNameParent) != 0 {
		return errors.New("its Rock Ridge name is not one")
	}
	if name.Len()+len(data)-1 > maxName {
		return fmt.Errorf("its Rock Ridge name has more than %d bytes", maxName)
	}
	name.Write(data[1:])
	return nil
}

// checkMode refuses what is neither a file nor a folder.
func checkMode(data []byte) error {
	if len(data) < 8 {
		return errors.New("its Rock Ridge attributes are cut off")
	}
	mode, err := both32(data)
	if err != nil {
		return fmt.Errorf("its mode: %w", err)
	}
	switch mode & modeType {
	case modeFile, modeFolder:
		return nil
	case modeLink:
		return errors.New("it is a symbolic link, which is not supported")
	}
	return fmt.Errorf("it has the mode %#o, which is neither of a file nor of a folder", mode)
}

// systemUse calls visit for each entry of a system use field, with the
// signature and what follows the entry's version.
func (d *disk) systemUse(field []byte, visit func(signature string, data []byte) error) error {
	for range maxContinuations {
		var next []byte
		for len(field) >= 4 && field[0] != 0 {
			size := int(field[2])
			if size < 4 || size > len(field) {
				return fmt.Errorf("system use entry %q has %d bytes, and %d are left", field[:2], size, len(field))
			}
			signature, data := string(field[:2]), field[4:size]
			field = field[size:]
			var err error
			switch signature {
			case "ST":
				field = nil
			case "CE":
				next, err = d.continuation(data)
			default:
				err = visit(signature, data)
			}
			if err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		field = next
	}
	return fmt.Errorf("system use field goes on elsewhere more than %d times", maxContinuations)
}

// continuation reads what a CE entry points to (SUSP 5.1).
func (d *disk) continuation(data []byte) ([]byte, error) {
	if len(data) < 24 {
		return nil, errors.New("continuation entry is cut off")
	}
	sector, err1 := both32(data)
	offset, err2 := both32(data[8:])
	length, err3 := both32(data[16:])
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("continuation entry: %w", err)
	}
	if offset > sectorSize || length > sectorSize-offset {
		return nil, fmt.Errorf("sector %d: continuation of %d bytes at byte %d crosses the end of its sector", sector, length, offset)
	}
	return d.folderBytes(sector, int64(offset), int64(length))
}
