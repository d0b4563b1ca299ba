package segment

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// nic is the network interface of "outside": what its stack takes for a device
// is a port of the switch. Headers of frames are written and read by the
// stack's own Ethernet layer above it.
type nic struct {
	addr   mac
	fabric *fabric
	port   *port
	up     atomic.Pointer[stack.NetworkDispatcher] // the stack
}

var (
	_ stack.LinkEndpoint = (*nic)(nil)
	_ sink               = (*nic)(nil)
)

// frames are buffers for frames on their way out.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// WritePackets sends frames of the stack.
func (n *nic) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	frame := frames.Get().(*[]byte)
	defer frames.Put(frame)
	for _, p := range packets.AsSlice() {
		*frame = (*frame)[:0]
		for _, part := range p.AsSlices() {
			*frame = append(*frame, part...)
		}
		n.fabric.forward(n.port, *frame)
	}
	return packets.Len(), nil
}

// send gives a frame to the stack, if it is for this interface.
func (n *nic) send(frame []byte) bool {
	up := n.up.Load()
	if up == nil {
		return false
	}
	if to := mac(frame[:6]); to != n.addr && !to.group() {
		return true // flooded; as a real interface does, it looks away
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
	defer p.DecRef()
	(*up).DeliverNetworkPacket(0, p) // the protocol is in the frame
	return true
}

// Attach connects the stack, or with nil disconnects it.
func (n *nic) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		n.up.Store(nil)
		return
	}
	n.up.Store(&d)
}

// IsAttached reports whether there is a stack.
func (n *nic) IsAttached() bool { return n.up.Load() != nil }

// MTU is the size of the largest frame, from which the Ethernet layer takes
// its header.
func (n *nic) MTU() uint32 { return MTU + header.EthernetMinimumSize }

// LinkAddress is the interface's MAC address.
func (n *nic) LinkAddress() tcpip.LinkAddress { return tcpip.LinkAddress(n.addr[:]) }

// Close does nothing: the port stays.
func (n *nic) Close() { n.up.Store(nil) }

// What follows is asked of every device and means nothing to this one.

// SetMTU does nothing.
func (n *nic) SetMTU(uint32) {}

// SetLinkAddress does nothing.
func (n *nic) SetLinkAddress(tcpip.LinkAddress) {}

// MaxHeaderLength is that of the layers below, of which there are none.
func (n *nic) MaxHeaderLength() uint16 { return 0 }

// Capabilities are none: the stack computes and verifies checksums.
func (n *nic) Capabilities() stack.LinkEndpointCapabilities { return 0 }

// Wait does nothing.
func (n *nic) Wait() {}

// ARPHardwareType leaves it to the Ethernet layer.
func (n *nic) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader does nothing.
func (n *nic) AddHeader(*stack.PacketBuffer) {}

// ParseHeader does nothing.
func (n *nic) ParseHeader(*stack.PacketBuffer) bool { return true }

// SetOnCloseAction does nothing.
func (n *nic) SetOnCloseAction(func()) {}
