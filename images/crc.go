package images

import "hash/crc32"

// A CRC-32 is a polynomial over GF(2) modulo crc32.IEEE, in which the highest
// bit is the coefficient of x^0. Appending a byte multiplies by x^8.
const (
	crcOne = 1 << 31 // x^0
	crcX8  = 1 << 23 // x^8
)

// joinCRC returns the CRC-32 of a text of which a is that of the beginning and
// b that of the rest, which has n bytes.
func joinCRC(a, b uint32, n int64) uint32 {
	return crcMultiply(a, crcShift(n)) ^ b
}

// zerosCRC returns the CRC-32 of n zero bytes: the register starts with all
// bits set, and its end is inverted.
func zerosCRC(n int64) uint32 {
	return ^crcMultiply(^uint32(0), crcShift(n))
}

// crcShift returns x^(8n), by squaring.
func crcShift(n int64) uint32 {
	result, power := uint32(crcOne), uint32(crcX8)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result = crcMultiply(result, power)
		}
		power = crcMultiply(power, power)
	}
	return result
}

// crcMultiply multiplies polynomials.
func crcMultiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a&crcOne != 0 {
			product ^= b
		}
		if b&1 == 1 { // times x
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
