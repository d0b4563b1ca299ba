package need

// ToolOf is Tool for a program that is not listed.
var ToolOf = tool

// Listed reports whether setup knows the program.
func Listed(program string) bool {
	_, ok := packageOf(program)
	return ok
}
