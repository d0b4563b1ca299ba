# A guest that shows whether guests run: a firmware of 64 KiB, which is at the
# top of the first 4 GiB and, its end, below the first MiB too. Assembled, it
# is the constants in accel.go.
	.code16
	.org 0
start:
	cli
	lgdtl %cs:gdtr
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $0xf0000+protected
	.code32
protected:
	movw $16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $0x2003, 0x1000
	movl $0x3003, 0x2000
	movl $0x83, 0x3000
	movl $0x620, %eax
	movl %eax, %cr4
	movl $0x1000, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl $0x80000003, %eax
	movl %eax, %cr0
	ljmpl $24, $0xf0000+long
	.code64
long:
	movl $0x200083, 0x3008
	movl $1000000, %ecx
	movl $0x200000, %edi
	xorps %xmm0, %xmm0
1:	movups %xmm0, (%rdi)
	incl (%rdi)
	movups (%rdi), %xmm0
	decl %ecx
	jnz 1b
	cmpl $1000000, (%rdi)
	jne 2f
	movb $0x10, %al
	outb %al, $0xf4
2:	hlt
	jmp 2b
	.balign 8
gdt:	.quad 0
	.quad 0x00cf9a000000ffff
	.quad 0x00cf92000000ffff
	.quad 0x00af9a000000ffff
gdtr:	.word 31
	.long 0xf0000+gdt
	.org 0xfff0
	.code16
	jmp start
	.org 0x10000
