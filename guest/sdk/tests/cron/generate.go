// Prints golden.json: when schedules are due by the parser that Vault uses, robfig/cron. Run it in tests/vault:
//
//	go run ../../guest/sdk/tests/cron/generate.go > ../../guest/sdk/tests/cron/golden.json
package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

var schedules = []string{
	"* * * * *", "0 * * * *", "*/15 * * * *", "5/20 * * * *", "0 3 * * SAT", "0 3 * * sat,sun", "30 2 1 * *", "0 0 29 2 *",
	"0 0 29 FEB *", "0 0 31 * *", "0 0 13 * FRI", "0 0 */10 * 1", "0 0 */1 * 1", "0 0 ? * 3", "59 23 31 12 *", "0 9-17/4 * * 1-5",
	"1,2,30-35 0,12 * JAN-MAR MON-WED", "0 0 * * 0", "0 0 1 1 ?", "0 0 15,*/20 6 *", "0 0 *,5 * 2", "10-10 4 * * *",
	// Steps of 1 in other words, and what follows a star.
	"0 0 */01 * 1", "0 0 */+1 * 1", "0 0 ?/1 * 1", "0 0 *-5 * 1", "0 0 *-5/2 * 1", "0 0 *-5/01 * 1", "0 0 13 * ?-x-y", "0 0 */2 * */1",
	"0 0 1-31 * 1", "0 0 */9223372036854775807 * 1", "0 0 1 * */9", "0\v0 1\u00a0* 1",
	// Mistakes.
	"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 7",
	"a * * * *", "*/0 * * * *", "5-2 * * * *", "1- * * * *", "-1 * * * *", "1,,2 * * * *", "1/ * * * *", "* * * FOO *", "1-2-3 * * * *",
	"+1 * * * *", "*/9223372036854775808 * * * *", "*/-1 * * * *", "*-5-6/0 * * * *", "/5 * * * *", "-/5 * * * *", "1/2/3 * * * *",
	"*5 * * * *", "** * * * *", "@daily", "0 0 1 * * 1",
}

var times = []string{
	"2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-02-28T23:59:59Z", "2028-02-28T12:34:56Z", "2026-12-31T23:59:00Z",
	"2027-10-17T02:30:00Z",
}

type golden struct {
	Schedule string   `json:"schedule"`
	Next     []string `json:"next"` // null if the schedule is refused
}

func main() {
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	all := []golden{}
	for _, text := range schedules {
		schedule, err := parser.Parse(text)
		if err != nil {
			all = append(all, golden{text, nil})
			continue
		}
		next := []string{}
		for _, from := range times {
			at, _ := time.Parse(time.RFC3339, from)
			next = append(next, schedule.Next(at).Format(time.RFC3339))
		}
		all = append(all, golden{text, next})
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(map[string]any{"times": times, "schedules": all}); err != nil {
		panic(err)
	}
}
