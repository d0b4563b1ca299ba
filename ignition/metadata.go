package ignition

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	"github.com/ingot-k8s/ingot/cluster"
)

// instanceID names an identity: a UUID of version 8 (RFC 9562, section 5.8)
// from all that a machine gets. cloud-init takes a machine with another ID for
// a new instance and does all its work again, so a changed identity must have
// a changed ID, or the machine would go on with the old one. The same identity
// keeps its ID, whenever and wherever it is written.
func instanceID(parts ...[]byte) string {
	h := sha256.New()
	h.Write([]byte("ingot instance\n"))
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + "\n"))
		h.Write(p)
	}
	sum := h.Sum(nil)[:16]
	sum[6] = sum[6]&0x0f | 0x80 // version 8
	sum[8] = sum[8]&0x3f | 0x80 // the variant of RFC 9562
	s := hex.EncodeToString(sum)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// metaData is meta_data.json of a config drive (OpenStack Nova, "Metadata").
type metaData struct {
	UUID             string `json:"uuid"`
	Name             string `json:"name"`
	Hostname         string `json:"hostname"`
	AvailabilityZone string `json:"availability_zone,omitempty"`
	LaunchIndex      int    `json:"launch_index"`
}

// noCloudData is meta-data of a NoCloud volume and of VMware's guestinfo.
type noCloudData struct {
	InstanceID    string       `json:"instance-id"`
	LocalHostname string       `json:"local-hostname"`
	Network       *networkPlan `json:"network,omitempty"` // VMware only
	// Redact has cloud-init remove the user data from guestinfo, where every user
	// of the machine can read it.
	Redact []string `json:"redact,omitempty"`
}

// networkData is network_data.json of a config drive (OpenStack Nova,
// "Metadata", and its JSON schema).
type networkData struct {
	Links    []networkLink    `json:"links"`
	Networks []networkAddress `json:"networks"`
	Services []networkService `json:"services"`
}

type networkLink struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // not OpenStack's, but cloud-init takes it
	Type string `json:"type"`
	MAC  string `json:"ethernet_mac_address,omitempty"`
	MTU  int    `json:"mtu,omitempty"`
}

type networkAddress struct {
	ID      string         `json:"id"`
	Link    string         `json:"link"`
	Type    string         `json:"type"`
	Address string         `json:"ip_address,omitempty"`
	Netmask string         `json:"netmask,omitempty"`
	Gateway string         `json:"gateway,omitempty"`
	DNS     []string       `json:"dns_nameservers,omitempty"`
	Search  []string       `json:"dns_search,omitempty"`
	Routes  []networkRoute `json:"routes,omitempty"`
}

type networkRoute struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type networkService struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// openStackNetwork writes a static network as OpenStack has it; nil gives a
// document without links.
func openStackNetwork(network *cluster.Network) (networkData, error) {
	d := networkData{Links: []networkLink{}, Networks: []networkAddress{}, Services: []networkService{}}
	if network == nil {
		return d, nil
	}
	for i := range network.Interfaces {
		link := &network.Interfaces[i]
		id := linkID(link)
		d.Links = append(d.Links, networkLink{ID: id, Name: link.Name, Type: "phy", MAC: link.MAC, MTU: link.MTU})
		add := func(a networkAddress) {
			a.ID, a.Link = fmt.Sprintf("%s-%d", id, len(d.Networks)), id
			d.Networks = append(d.Networks, a)
		}
		if link.DHCP {
			add(networkAddress{Type: "ipv4_dhcp"})
		}
		done := map[bool]bool{} // gateway and routes go with the first address of their family
		for _, s := range link.Addresses {
			address, netmask, err := splitPrefix(s)
			if err != nil {
				return d, fmt.Errorf("interface %q: %w", id, err)
			}
			six := isIPv6(s)
			a := networkAddress{Type: map[bool]string{false: "ipv4", true: "ipv6"}[six], Address: address, Netmask: netmask}
			if !done[six] {
				done[six] = true
				if err := a.route(network, link, six); err != nil {
					return d, fmt.Errorf("interface %q: %w", id, err)
				}
			}
			add(a)
		}
	}
	for _, s := range network.DNS {
		d.Services = append(d.Services, networkService{Type: "dns", Address: s})
	}
	return d, nil
}

func (a *networkAddress) route(network *cluster.Network, link *cluster.Interface, six bool) error {
	a.Search = network.Search
	for _, g := range link.Gateways {
		if isIPv6(g) == six {
			a.Gateway = g
		}
	}
	for _, s := range network.DNS {
		if isIPv6(s) == six {
			a.DNS = append(a.DNS, s)
		}
	}
	for _, r := range link.Routes {
		if isIPv6(r.To) != six {
			continue
		}
		destination, netmask, err := splitPrefix(r.To)
		if err != nil {
			return err
		}
		a.Routes = append(a.Routes, networkRoute{Network: destination, Netmask: netmask, Gateway: r.Via})
	}
	return nil
}

// networkPlan is a network config of version 2 (cloud-init documentation,
// "Networking config Version 2"; netplan).
type networkPlan struct {
	Version   int                     `json:"version"`
	Ethernets map[string]ethernetPlan `json:"ethernets"`
}

type ethernetPlan struct {
	Match       map[string]string `json:"match,omitempty"`
	SetName     string            `json:"set-name,omitempty"`
	DHCP4       bool              `json:"dhcp4"`
	DHCP6       bool              `json:"dhcp6"`
	AcceptRA    *bool             `json:"accept-ra,omitempty"`
	Addresses   []string          `json:"addresses,omitempty"`
	MTU         int               `json:"mtu,omitempty"`
	Nameservers *nameserverPlan   `json:"nameservers,omitempty"`
	Routes      []routePlan       `json:"routes,omitempty"`
}

type nameserverPlan struct {
	Addresses []string `json:"addresses,omitempty"`
	Search    []string `json:"search,omitempty"`
}

type routePlan struct {
	To  string `json:"to"`
	Via string `json:"via"`
}

func planOf(network *cluster.Network) *networkPlan {
	if network == nil {
		return nil
	}
	plan := &networkPlan{Version: 2, Ethernets: map[string]ethernetPlan{}}
	for i := range network.Interfaces {
		link := &network.Interfaces[i]
		e := ethernetPlan{DHCP4: link.DHCP, DHCP6: link.DHCP, Addresses: link.Addresses, MTU: link.MTU}
		if link.MAC != "" {
			mac := link.MAC
			if hw, err := net.ParseMAC(mac); err == nil {
				mac = hw.String()
			}
			e.Match, e.SetName = map[string]string{"macaddress": mac}, link.Name
		}
		if hasIPv6(link) && !link.DHCP {
			e.AcceptRA = new(bool)
		}
		if len(network.DNS)+len(network.Search) > 0 {
			e.Nameservers = &nameserverPlan{Addresses: network.DNS, Search: network.Search}
		}
		for _, g := range link.Gateways {
			e.Routes = append(e.Routes, routePlan{To: map[bool]string{false: "0.0.0.0/0", true: "::/0"}[isIPv6(g)], Via: g})
		}
		for _, r := range link.Routes {
			e.Routes = append(e.Routes, routePlan(r))
		}
		id := linkID(link)
		if link.Name == "" {
			id = "nic" + strconv.Itoa(i) // a name that no rule of the kernel or udev gives
		}
		plan.Ethernets[id] = e
	}
	return plan
}

// document writes JSON, which is YAML too, for people to read.
func document(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	return append(data, '\n'), nil
}
