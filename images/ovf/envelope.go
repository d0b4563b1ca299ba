package ovf

import "encoding/xml"

// The elements of a descriptor, in the order of the schema DSP8023. Prefixes
// stand in the names, because encoding/xml would repeat the name spaces in each
// element.

type envelope struct {
	XMLName xml.Name `xml:"Envelope"`
	NS      string   `xml:"xmlns,attr"`
	OVF     string   `xml:"xmlns:ovf,attr"`
	RASD    string   `xml:"xmlns:rasd,attr"`
	VSSD    string   `xml:"xmlns:vssd,attr"`
	VMW     string   `xml:"xmlns:vmw,attr"`

	File    file           `xml:"References>File"`
	Disks   diskSection    `xml:"DiskSection"`
	Network networkSection `xml:"NetworkSection"`
	System  virtualSystem  `xml:"VirtualSystem"`
}

type file struct {
	Href string `xml:"ovf:href,attr"`
	ID   string `xml:"ovf:id,attr"`
	Size int64  `xml:"ovf:size,attr"`
}

type diskSection struct {
	Info string `xml:"Info"`
	Disk struct {
		Capacity  int64  `xml:"ovf:capacity,attr"`
		Units     string `xml:"ovf:capacityAllocationUnits,attr"`
		DiskID    string `xml:"ovf:diskId,attr"`
		FileRef   string `xml:"ovf:fileRef,attr"`
		Format    string `xml:"ovf:format,attr"`
		Populated int64  `xml:"ovf:populatedSize,attr"`
	} `xml:"Disk"`
}

type networkSection struct {
	Info    string `xml:"Info"`
	Network struct {
		Name        string `xml:"ovf:name,attr"`
		Description string `xml:"Description"`
	} `xml:"Network"`
}

type virtualSystem struct {
	ID         string          `xml:"ovf:id,attr"`
	Info       string          `xml:"Info"`
	Name       string          `xml:"Name"`
	OS         osSection       `xml:"OperatingSystemSection"`
	Hardware   hardwareSection `xml:"VirtualHardwareSection"`
	Product    *productSection `xml:"ProductSection"`
	Annotation *annotation     `xml:"AnnotationSection"`
}

type osSection struct {
	ID          int    `xml:"ovf:id,attr"`
	Type        string `xml:"vmw:osType,attr"`
	Info        string `xml:"Info"`
	Description string `xml:"Description"`
}

type hardwareSection struct {
	Transport string `xml:"ovf:transport,attr,omitempty"`
	Info      string `xml:"Info"`
	System    struct {
		ElementName string `xml:"vssd:ElementName"`
		InstanceID  int    `xml:"vssd:InstanceID"`
		Identifier  string `xml:"vssd:VirtualSystemIdentifier"`
		Type        string `xml:"vssd:VirtualSystemType"`
	} `xml:"System"`
	Items  []item   `xml:"Item"`
	Config []config `xml:"vmw:Config"`
	Extra  []config `xml:"vmw:ExtraConfig"`
}

type item struct {
	Required            string   `xml:"ovf:required,attr,omitempty"`
	Address             *int     `xml:"rasd:Address"`
	AddressOnParent     *int     `xml:"rasd:AddressOnParent"`
	AllocationUnits     string   `xml:"rasd:AllocationUnits,omitempty"`
	AutomaticAllocation *bool    `xml:"rasd:AutomaticAllocation"`
	Connection          string   `xml:"rasd:Connection,omitempty"`
	Description         string   `xml:"rasd:Description,omitempty"`
	ElementName         string   `xml:"rasd:ElementName"`
	HostResource        string   `xml:"rasd:HostResource,omitempty"`
	InstanceID          int      `xml:"rasd:InstanceID"`
	Parent              *int     `xml:"rasd:Parent"`
	ResourceSubType     string   `xml:"rasd:ResourceSubType,omitempty"`
	ResourceType        int      `xml:"rasd:ResourceType"`
	VirtualQuantity     int      `xml:"rasd:VirtualQuantity,omitempty"`
	Config              []config `xml:"vmw:Config"`
}

// config is a setting that only VMware knows; others may pass over it.
type config struct {
	Required bool   `xml:"ovf:required,attr"`
	Key      string `xml:"vmw:key,attr"`
	Value    string `xml:"vmw:value,attr"`
}

type productSection struct {
	Required   bool       `xml:"ovf:required,attr"`
	Info       string     `xml:"Info"`
	Properties []property `xml:"Property"`
}

type property struct {
	Key              string `xml:"ovf:key,attr"`
	Password         bool   `xml:"ovf:password,attr,omitempty"`
	Type             string `xml:"ovf:type,attr"`
	UserConfigurable bool   `xml:"ovf:userConfigurable,attr"`
	Value            string `xml:"ovf:value,attr"`
	Label            string `xml:"Label,omitempty"`
	Description      string `xml:"Description,omitempty"`
}

type annotation struct {
	Required   bool   `xml:"ovf:required,attr"`
	Info       string `xml:"Info"`
	Annotation string `xml:"Annotation"`
}
