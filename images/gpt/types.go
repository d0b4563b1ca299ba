package gpt

// Partition types. EFI is of the UEFI Specification 2.10, 5.3.3; BIOSBoot of
// the GRUB manual, "BIOS installation"; the others of the Discoverable
// Partitions Specification of the UAPI Group.
const (
	BIOSBoot        = "21686148-6449-6e6f-744e-656564454649" // GRUB's core image
	EFI             = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" // the EFI system partition
	RootAMD64       = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
	RootVerityAMD64 = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"
	UsrAMD64        = "8484680c-9521-48c6-9c11-b0720656f69e"
	UsrVerityAMD64  = "77ff5f63-e7b6-4633-acf4-1565b864c0e6"
	Var             = "4d21b016-b534-45c2-a9fb-5c16e091fd2d"
	LinuxFileSystem = "0fc63daf-8483-4772-8e79-3d69d8477de4"
)

// Attributes of partitions. The first two are of the UEFI Specification 2.10,
// 5.3.3, the others of the Discoverable Partitions Specification.
const (
	Required   = 1 << 0  // the machine needs it
	LegacyBoot = 1 << 2  // for BIOSes that look for such a mark
	GrowFS     = 1 << 59 // the file system is grown when it is mounted
	ReadOnly   = 1 << 60
	NoAuto     = 1 << 63 // is not mounted for its type
)
