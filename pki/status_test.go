package pki

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rowText is what matters of a row.
func rowText(r Row) string {
	return fmt.Sprintf("%s/%s %s %s %d %s (%s)", r.Holder, r.Name, r.Usage, r.State, r.DaysLeft, r.Reason, strings.Join(r.SANs, " "))
}

func statusOf(t *testing.T, f *fixture, at time.Time) []Row {
	t.Helper()
	before := snapshot(t, f.c.Dir)
	rows, err := f.Status(at)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Error("looking at the status changed the folder")
	}
	return rows
}

func TestStatus(t *testing.T) {
	f := newFixture(t, small)
	for _, r := range statusOf(t, f, now) {
		if r.State != Missing {
			t.Errorf("before the first run: %s", rowText(r))
		}
	}
	f.ensure()
	if _, _, err := f.Admin(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	rows := statusOf(t, f, now.Add(36*time.Hour))
	if len(rows) != 3+13+5+1 {
		t.Errorf("%d rows", len(rows))
	}
	seen := map[string]bool{}
	for _, r := range rows {
		days := 363 // of 365, less a day and a half
		if r.Usage == "authority" {
			days = 3648
		}
		if r.State != OK || r.Reason != "" || r.DaysLeft != days || r.Purpose == "" || r.Subject == "" || r.Usage == "" || r.Authority == "" {
			t.Errorf("%s", rowText(r))
		}
		seen[r.Holder] = true
	}
	if want := []string{"admin alice", "authority etcd", "authority front-proxy", "authority kubernetes", "node m0", "node w0"}; !slices.Equal(slices.Sorted(maps.Keys(seen)), want) {
		t.Errorf("holders: %v", seen)
	}
	want := `{"holder":"node w0","name":"kubelet-server","purpose":"kubelet to kube-apiserver and metrics collectors","authority":"kubernetes",` +
		`"usage":"server","subject":"CN=system:node:w0,O=system:nodes","sans":["w0","w0.small.example.com","10.42.0.2"],` +
		`"notAfter":"2027-11-20T12:00:00Z","daysLeft":363,"state":"ok"}`
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Holder == "node w0" && r.Name == "kubelet-server" })
	if got, err := json.Marshal(rows[i]); err != nil || string(got) != want {
		t.Errorf("as JSON (error %v): %s", err, cmp.Diff(want, string(got)))
	}
}

func TestStatusStates(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	f.edit("192.0.2.10", "192.0.2.11")
	find := func(rows []Row, holder, name string) Row {
		for _, r := range rows {
			if r.Holder == holder && r.Name == name {
				return r
			}
		}
		t.Fatalf("no row %s %s", holder, name)
		return Row{}
	}
	rows := statusOf(t, f, now)
	if r := find(rows, "node m0", "apiserver"); r.State != Stale || r.Reason != "SAN 192.0.2.11 missing; SAN 192.0.2.10 not wanted" {
		t.Errorf("%s", rowText(r))
	}
	if r := find(rows, "node m0", "scheduler"); r.State != OK {
		t.Errorf("%s", rowText(r))
	}
	if r := find(statusOf(t, f, now.Add(350*24*time.Hour)), "node m0", "scheduler"); r.State != Stale || r.DaysLeft != 15 || r.Reason != "ends on 2027-11-20T12:00:00Z" {
		t.Errorf("%s", rowText(r))
	}
	if r := find(statusOf(t, f, now.Add(365*24*time.Hour+time.Second)), "node m0", "scheduler"); r.State != Expired || r.DaysLeft != -1 {
		t.Errorf("%s", rowText(r))
	}
	writeFile(t, f.path("nodes/w0"), []byte("garbage"))
	rows = statusOf(t, f, now)
	if r := find(rows, "node w0", ""); r.State != Damaged || !strings.Contains(r.Reason, f.path("nodes/w0")) {
		t.Errorf("%s", rowText(r))
	}
	writeFile(t, f.path("authorities/etcd"), nil)
	rows = statusOf(t, f, now)
	if r := find(rows, "authority etcd", "authority"); r.State != Damaged {
		t.Errorf("%s", rowText(r))
	}
	if r := find(rows, "node m0", "etcd-peer"); r.State != Damaged || !strings.Contains(r.Reason, `its authority "etcd" is missing or damaged`) {
		t.Errorf("%s", rowText(r))
	}
}

func TestAdmin(t *testing.T) {
	f := newFixture(t, small)
	ctx := t.Context()
	cred, changes, err := f.Admin(ctx, "alice") // on an empty store
	if err != nil {
		t.Fatal(err)
	}
	if last := changes[len(changes)-1].String(); last != "admin alice: certificate issued: new" {
		t.Errorf("changes: %q", texts(changes))
	}
	if d := differences(cred.Cert, AdminRequest(f.c, "alice")); len(d) > 0 {
		t.Errorf("%q", d)
	}
	keyPair(cred) // panics unless the key is that of the certificate
	again, changes, err := f.Admin(ctx, "alice")
	if err != nil || len(changes) > 0 || string(again.CertPEM) != string(cred.CertPEM) || string(again.KeyPEM) != string(cred.KeyPEM) {
		t.Errorf("asked again: %q, error %v", texts(changes), err)
	}
	f.reopen(f.c.Dir, f.text, now.Add(350*24*time.Hour))
	renewed, changes, err := f.Admin(ctx, "alice")
	if err != nil || len(changes) != 1 || changes[0].Action != Reissued || string(renewed.KeyPEM) == string(cred.KeyPEM) {
		t.Errorf("near its end: %q, error %v", texts(changes), err)
	}
	for _, name := range []string{"", "..", "../x", "Alice", "system:admin", "a/b", "-a", "a-", strings.Repeat("a", 64)} {
		if _, _, err := f.Admin(ctx, name); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
}

func TestBreakGlass(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	before := snapshot(t, f.c.Dir)
	cred, err := f.BreakGlass(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if s := cred.Cert.Subject.String(); s != "CN=break-glass,O=system:masters" || !cred.Cert.NotAfter.Equal(now.Add(time.Hour)) {
		t.Errorf("%s until %s", s, cred.Cert.NotAfter)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Error("it left something in the store")
	}
	for _, lifetime := range []time.Duration{0, -time.Hour, f.lifetime() + 1} {
		if _, err := f.BreakGlass(t.Context(), lifetime); err == nil {
			t.Errorf("a lifetime of %s is accepted", lifetime)
		}
	}
}

func TestExport(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	dir := filepath.Join(t.TempDir(), "export")
	export := func(nodes ...string) {
		t.Helper()
		if err := f.Export(dir, nodes...); err != nil {
			t.Fatal(err)
		}
	}
	export("m0", "w0")
	files := snapshot(t, dir)
	if len(files) != 3+3+1+(2*13+2+2+1)+(2*5+2) { // folders, authorities, list, m0, w0
		t.Errorf("%d files: %q", len(files), slices.Sorted(maps.Keys(files)))
	}
	for name, content := range files {
		mode, data, _ := strings.Cut(content, "\n")
		secret := strings.Contains(data, "PRIVATE KEY") || name == "m0/encryption.key"
		if want := map[bool]string{true: "-rw-------", false: "-rw-r--r--"}[secret]; !strings.HasPrefix(mode, "d") && name != exportList && mode != want {
			t.Errorf("%s has mode %s", name, mode)
		}
	}
	export("m0", "w0")
	if !maps.Equal(files, snapshot(t, dir)) {
		t.Error("exporting again changed something")
	}
	// Renewed certificates replace exported ones.
	f.edit("192.0.2.10", "192.0.2.11")
	f.ensure()
	export("m0")
	if after := snapshot(t, dir); after["m0/apiserver.crt"] == files["m0/apiserver.crt"] || after["w0/proxy.crt"] != files["w0/proxy.crt"] {
		t.Error("the renewed certificate was not exported, or another was")
	}
	// What someone else wrote stays, and so does all the rest.
	path := filepath.Join(dir, "w0", "proxy.key")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	if err := f.Export(dir, "m0", "w0"); err == nil || !strings.Contains(err.Error(), path+" is there and was not written by an export") {
		t.Errorf("a foreign file gives %v", err)
	}
	if !maps.Equal(before, snapshot(t, dir)) {
		t.Error("a refused export changed something")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere", path); err != nil {
		t.Fatal(err)
	}
	if err := f.Export(dir, "w0"); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link gives %v", err)
	}
	if err := f.Export(dir, "nobody"); err == nil {
		t.Error("an unknown node is no error")
	}
}
