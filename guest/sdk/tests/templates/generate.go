// Prints golden.json: what Vault's sdk/helper/template makes of the templates below. Run it in tests/vault, whose go.mod has
// the SDK:
//
//	go run ../../guest/sdk/tests/templates/generate.go > ../../guest/sdk/tests/templates/golden.json
//
// The functions that depend on time and chance are replaced by fixed ones: the time is that of `now`, and each random
// character is U+0001.
package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/helper/template"
)

var now = time.Date(2026, time.March, 7, 15, 4, 5, 60708000, time.UTC)

var layouts = []string{
	time.RFC3339, time.RFC3339Nano, time.RFC1123, time.RFC1123Z, time.RFC822, time.RFC850, time.ANSIC, time.UnixDate,
	time.RubyDate, time.Kitchen, time.Stamp, time.StampMilli, time.StampMicro, time.StampNano, time.DateOnly,
	"20060102150405", "Monday, 02-Jan-06", "Janet Monroe", "002 __2 _2 _2006", "3:4:5 pm", ".000 ,999 .9999 .00x .005",
	"-070000 -07:00:00 -07 Z07 Z070000", "1 2 6 7 8 9 0", "year 2006!",
}

var templates = []string{
	// The defaults of Vault's engines.
	`{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}`,
	`{{ printf "v_%s_%s_%s_%s" (.DisplayName | truncate 15) (.RoleName | truncate 15) (random 20) (unix_time) | truncate 100 | replace "-" "_" | lowercase }}`,
	`{{ printf "%s-%s" (.DisplayName) (uuid) }}`,
	`{{ if (eq .Type "STS") }}{{ printf "vault-%s-%s" (unix_time) (random 20) | truncate 32 }}{{ else }}{{ printf "vault-%s-%s-%s" (printf "%s-%s" (.DisplayName) (.RoleName) | truncate 42) (unix_time) (random 20) | truncate 64 }}{{ end }}`,
	`{{ if (eq .Type "other") }}{{ printf "vault-%s-%s" (unix_time) (random 20) | truncate 32 }}{{ else }}{{ printf "vault-%s-%s-%s" (printf "%s-%s" (.DisplayName) (.RoleName) | truncate 42) (unix_time) (random 20) | truncate 64 }}{{ end }}`,
	`{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | replace "." "-" | truncate 100 }}`,
	// Functions.
	`{{ .Long | truncate 10 }}`, `{{ .Long | truncate 1000 }}`, `{{ truncate 3 .RoleName }}`, `{{ .Long | truncate 0 }}`, `{{ .Long | truncate -1 }}`,
	`{{ .Long | truncate_sha256 20 }}`, `{{ .Long | truncate_sha256 9 }}`, `{{ .Long | truncate_sha256 8 }}`, `{{ .RoleName | truncate_sha256 50 }}`,
	`{{ .DisplayName | uppercase }}`, `{{ .DisplayName | lowercase }}`, `{{ .Odd | uppercase }}`, `{{ .Odd | lowercase }}`,
	`{{ .DisplayName | replace "o" "0" }}`, `{{ .RoleName | replace "" "." }}`, `{{ replace "-" "" .DisplayName }}`,
	`{{ .DisplayName | sha256 }}`, `{{ .Empty | sha256 }}`, `{{ .Odd | base64 }}`, `{{ .Empty | base64 }}`,
	`{{ unix_time }} {{ unix_time_millis }}`, `{{ random 0 }}{{ random 5 }}`, `{{uuid}}`,
	// Go's own.
	`{{ printf "%5s|%-5s|%.2s|%5.1s" "abc" "abc" "abc" "abc" }}`, `{{ printf "%d %5d %-5d| %05d %x %X" 12 12 12 -12 255 -255 }}`,
	`{{ printf "%v %v %v %t" "a" 1 true false }}`, `{{ printf "%x %X" "az" "az" }}`, `{{ printf "100%%" }}`, `{{ printf "%s" .Odd | len }}`,
	`{{ printf "%3s|%-4s|%.1s" "ü" "ü" "üb" }}`,
	`{{ print "a" 1 2 "b" true false }}`, `{{ print }}`, `{{ len .Long }}`,
	`{{ eq "a" "b" "a" }} {{ ne 1 2 }} {{ lt "a" "b" }} {{ le 2 1 }} {{ gt 2 1 }} {{ ge 1 1 }}`,
	`{{ and "a" "" "b" }}|{{ and "a" "b" }}|{{ or "" "b" }}|{{ or "" "" }}|{{ not "" }}|{{ and true false }}`,
	// The language.
	`plain`, `a {{ "b" }} c`, "a \n {{- \"b\" -}} \n c", `{{/* a comment */}}x{{- /* another */ -}} y`, `{{3}} {{-3}} {{+3}} {{true}}`,
	"{{ `raw \\n \"text\"` }}", `{{ "\t\"\\\x41\u00fc\101" }}`, "{{ \"a\" |\n uppercase }}", `{{ ("a") }}`, `{{ (("a" | uppercase) | lowercase) }}`,
	`{{ if .Empty }}a{{ end }}b`, `{{ if .Empty }}a{{ else if eq .Type "STS" }}b{{ else }}c{{ end }}`, `{{ if not .Empty }}{{ if 0 }}x{{ else }}y{{ end }}{{ end }}`,
	`{{ if 1 }}a{{ else if 1 }}b{{ end }}{{ if false }}c{{ else if false }}d{{ else if true }}e{{ else }}f{{ end }}`,
	`}} { {}`, `{{"}}"}}`, `{{- "a" }}`, ` {{ "a" -}} `,
	// Mistakes.
	``, `{{`, `{{ }}`, `{{ .Nowhere }}`, `{{ trunc 8 .RoleName }}`, `{{ truncate .RoleName }}`, `{{ truncate 1 2 }}`, `{{ | "a" }}`,
	`{{ "a" "b" }}`, `{{ "a" | "b" }}`, `{{ ("a" }}`, `{{ "a") }}`, `{{ "a }}`, `{{ if true }}`, `{{ end }}`, `{{ else }}`, `{{ if true }}{{ else }}{{ else }}{{ end }}`,
	`{{ if }}a{{ end }}`, `{{/* open`, `{{ "a""b" }}`, `{{ "\q" }}`, `{{ .RoleName.More }}`, `{{ truncate "8" .RoleName }}`, `{{ eq 1 "a" }}`, `{{ .RoleName | .Type }}`,
	`{{ unix_time 1 }}`, `{{ range }}`, `{{ "a" ; "b" }}`, `{{ end "a" }}`, `{{ 12ab }}`, `{{ ( ) }}`, `{{ eq }}`, `{{ lt true false }}`,
}

// What Vault makes a text of, and the SDK refuses: see "What is refused" in guest/sdk/src/template.rs.
var refused = []string{
	`{{ $x := "a" }}{{ $x }}`, `{{ with .Type }}{{ . }}{{ end }}`, `{{ define "a" }}b{{ end }}`,
	`{{ block "a" . }}b{{ end }}`, `{{ index .Type 0 }}`, `{{ slice .Type 1 }}`, `{{ html .Type }}`, `{{ println .Type }}`, `{{ . }}`,
	`{{ 0x10 }}`, `{{ 1_000 }}`, `{{ 1.5 }}`, `{{ 'a' }}`, `{{ 010 }}`, `{{ "\xff" }}`, `{{ printf (print "%s") .Type }}`,
	`{{ "%d" | printf }}`, `{{ printf "%q" .Type }}`, `{{ printf "%+d" 1 }}`, `{{ printf "% d" 1 }}`, `{{ printf "%*d" 3 1 }}`,
	`{{ printf "%05s" .Type }}`, `{{ printf "%.2x" .Type }}`, `{{ printf "%.2d" 1 }}`, `{{ printf "%s" 1 }}`, `{{ printf "%d" .Type }}`,
	`{{ printf "%x" true }}`, `{{ printf "%s" }}`, `{{ printf "%s" "a" "b" }}`, `{{ printf "%" }}`, `{{ and "a" 1 }}`, `{{ or 0 "b" }}`,
	`{{ printf "%70000d" 1 }}`, `{{ random 70000 }}`, `{{ .Type | truncate 70000 }}`,
	`{{ print nil }}`, `{{ if(true) }}a{{ end }}`, `{{ printf "%[1]s" .Type }}`, `{{ printf "%5%" }}`, `{{ printf "%c" 65 }}`, `{{ 1e3 }}`,
	strings.Repeat(`{{ if true }}`, 33) + strings.Repeat(`{{ end }}`, 33), `{{ ` + strings.Repeat("(", 33) + `1` + strings.Repeat(")", 33) + ` }}`,
	strings.Repeat("x", 4097),
}

type golden struct {
	Template string  `json:"template"`
	Output   *string `json:"output"` // null if the template is refused, or fails when it is rendered
}

func main() {
	fields := map[string]string{
		"DisplayName": "token-Some-one", "RoleName": "my-role", "Type": "STS", "Empty": "", "Odd": "Grüße, ǆ İ ﬁ ÅÄÖ",
		"Long": strings.Repeat("0123456789abcdef", 5),
	}
	for _, layout := range layouts {
		templates = append(templates, "{{ timestamp "+strconv.Quote(layout)+" }}")
	}
	all := []golden{}
	for _, text := range templates {
		all = append(all, golden{text, render(text, fields)})
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	for _, text := range refused {
		if render(text, fields) == nil {
			panic("Vault refuses it too: " + text)
		}
	}
	golden := map[string]any{"fields": fields, "nanoseconds": now.UnixNano(), "templates": all, "refused": refused}
	if err := encoder.Encode(golden); err != nil {
		panic(err)
	}
}

func render(text string, fields map[string]string) *string {
	random := func(length int) string { return strings.Repeat("\x01", length) }
	made, err := template.NewTemplate(
		template.Template(text),
		template.Function("random", random),
		template.Function("uuid", func() string { return random(36) }),
		template.Function("unix_time", func() string { return strconv.FormatInt(now.Unix(), 10) }),
		template.Function("unix_time_millis", func() string { return strconv.FormatInt(now.UnixMilli(), 10) }),
		template.Function("timestamp", now.Format),
	)
	if err != nil {
		return nil
	}
	// A map has the fields that a template asks for in vain, so a struct is used as Vault does.
	data := struct{ DisplayName, RoleName, Type, Empty, Odd, Long string }{
		fields["DisplayName"], fields["RoleName"], fields["Type"], fields["Empty"], fields["Odd"], fields["Long"],
	}
	output, err := made.Generate(data)
	if err != nil {
		return nil
	}
	return &output
}
