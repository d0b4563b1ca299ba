package vsphere

import (
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// UntrustedError is for a server whose certificate nobody vouches for.
type UntrustedError struct {
	Thumbprint string // SHA-256 of the certificate that the server showed
	Err        error
}

func (e *UntrustedError) Error() string { return e.Err.Error() }
func (e *UntrustedError) Unwrap() error { return e.Err }

// Advice is for the person at the terminal.
func (e *UntrustedError) Advice() string {
	return "--ca-file names the authority of the server's certificate; or compare its SHA-256 with what the server itself shows, and give it by --thumbprint: " + e.Thumbprint
}

// explain makes errors of the server say what they are: many faults come with
// an empty message.
func explain(err error) error {
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		return &UntrustedError{Thumbprint: soap.ThumbprintSHA256(verify.UnverifiedCertificates[0]), Err: err}
	}
	fault := faultOf(err)
	if fault == nil {
		return err
	}
	detail := reflect.TypeOf(fault).Elem().Name()
	switch f := fault.(type) {
	case *types.InvalidLogin:
		detail = "wrong user or password"
	case *types.NoPermission:
		detail += fmt.Sprintf(": the user lacks the privilege %s on %s", f.PrivilegeId, f.Object)
	case *types.InvalidArgument:
		detail += ": " + f.InvalidProperty
	case *types.DuplicateName:
		detail += fmt.Sprintf(": there is a %q already", f.Name)
	}
	return fmt.Errorf("%w (%s)", err, detail)
}

// faultOf finds the fault of the server in an error, as a pointer; nil where
// there is none.
func faultOf(err error) any {
	for ; err != nil; err = errors.Unwrap(err) {
		var fault any
		switch {
		case soap.IsSoapFault(err):
			fault = soap.ToSoapFault(err).VimFault()
		case soap.IsVimFault(err):
			fault = soap.ToVimFault(err)
		default:
			if t, ok := err.(interface{ Fault() types.BaseMethodFault }); ok {
				fault = t.Fault()
			}
		}
		if fault != nil {
			return pointer(fault)
		}
	}
	return nil
}

// pointer is a fault as a pointer: the library gives both kinds.
func pointer(fault any) any {
	v := reflect.ValueOf(fault)
	if v.Kind() == reflect.Pointer {
		return fault
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

// isFault reports an error that is a fault of this type.
func isFault[F any](err error) bool {
	_, ok := faultOf(err).(*F)
	return ok
}
