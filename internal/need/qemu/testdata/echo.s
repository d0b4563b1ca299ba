# The disk of the machine that says on its serial port what is typed there, and
# goes off when its power button is pressed: a boot sector for BIOS.
#   as --32 -o echo.o echo.s && ld -m elf_i386 --oformat binary -Ttext 0x7c00 -o echo.bin echo.o
	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$0x602, %dx		# PM1_EN of the PIIX4, where SeaBIOS has it
	movw	$0x100, %ax		# the power button
	outw	%ax, %dx
	movw	$ready, %si
1:	lodsb
	testb	%al, %al
	jz	wait
	call	say
	jmp	1b

wait:	sti
	hlt				# until the timer, 18 times a second
	movw	$0x600, %dx		# PM1_STS
	inw	%dx, %ax
	testb	$1, %ah
	jz	3f
	movw	$0x604, %dx		# PM1_CNT: to S5
	movw	$0x2000, %ax
	outw	%ax, %dx
3:	movw	$0x3fd, %dx		# line status: is there something?
	inb	%dx, %al
	testb	$1, %al
	jz	wait
	movw	$0x3f8, %dx
	inb	%dx, %al
	call	say
	jmp	3b

say:	movb	%al, %ah		# waits until there is room
4:	movw	$0x3fd, %dx
	inb	%dx, %al
	testb	$0x20, %al
	jz	4b
	movb	%ah, %al
	movw	$0x3f8, %dx
	outb	%al, %dx
	ret

ready:	.asciz	"ready\r\n"
	.org	510
	.word	0xaa55
