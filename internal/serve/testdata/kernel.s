# A kernel that says what it was started with on the first serial port: its line,
# and the size of its initrd. It is as much of one as a boot loader for BIOS looks
# at (kernel, Documentation/arch/x86/boot.rst): a boot sector, a sector of setup
# code, which is all that runs, and a sector for the rest. ipxe_test.go has its
# bytes from 0x1f1 on, made by:
#
#   as --32 -o kernel.o kernel.s && objcopy -O binary kernel.o kernel.bin

	.code16
	.text
	.org	0x1f1
	.byte	1		# setup_sects
	.org	0x1fe
	.word	0xaa55		# boot_flag
entry:	jmp	start
	.ascii	"HdrS"
	.word	0x0206		# version
	.org	0x211
	.byte	1		# loadflags: the rest is loaded at 1 MiB
	.org	0x214
	.long	0x100000	# code32_start
	.org	0x22c
	.long	0x37ffffff	# initrd_addr_max
	.long	0x1000		# kernel_alignment
	.org	0x238
	.long	2047		# cmdline_size
	.org	0x240
start:	cld
	movl	0x228, %eax	# cmd_line_ptr; DS is the segment of the boot sector
	movl	%eax, %esi
	shrl	$4, %eax
	movw	%ax, %es
	andw	$15, %si
line:	movb	%es:(%si), %al
	incw	%si
	testb	%al, %al
	jz	size
	call	put
	jmp	line
size:	movb	$'\n', %al
	call	put
	movl	0x21c, %ebx	# ramdisk_size
	movw	$8, %cx
digit:	roll	$4, %ebx
	movb	%bl, %al
	andb	$15, %al
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	small
	addb	$39, %al
small:	call	put
	loop	digit
	movb	$'\n', %al
	call	put
end:	hlt
	jmp	end
put:	movb	%al, %ah
	movw	$0x3fd, %dx
wait:	inb	%dx, %al
	testb	$32, %al
	jz	wait
	movb	%ah, %al
	movw	$0x3f8, %dx
	outb	%al, %dx
	ret
	.org	0x600
