package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// number reads decimal digits only: no other bases, no underscores.
func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number; expected digits", quote(s))
	}
	return n, nil
}

func boolean(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(s))
}

func onOff(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither on nor off", quote(s))
}

func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration; expected one like 30s, 5m or 24h (days in hours: 168h)", quote(s))
	}
	return d, nil
}

// positive is for a duration whose zero means "not set".
func positive(s string) (time.Duration, error) {
	d, err := duration(s)
	if err == nil && d <= 0 {
		return 0, fmt.Errorf("%s is not above zero", quote(s))
	}
	return d, err
}

// list reads comma-separated items. An empty one is refused: it is either a slip or a template that expanded to nothing.
func list(s string) ([]string, error) {
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
		if items[i] == "" {
			return nil, fmt.Errorf("item %d of %d is empty; expected items separated by single commas", i+1, len(items))
		}
	}
	return items, nil
}

func portOK(port string, optional bool) bool {
	if port == "" {
		return optional
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// quote shows a value in an error text, cut where it is longer than a reader needs.
func quote(s string) string {
	const enough = 60
	if len(s) > enough {
		return strconv.Quote(s[:enough]) + "..."
	}
	return strconv.Quote(s)
}
