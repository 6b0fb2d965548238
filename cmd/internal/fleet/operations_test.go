package fleet

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// foreign are words of others on the page about operations.
var foreign = []string{
	"Retry-After", "dead-letter", "min.insync.replicas", "max.message.bytes", "__transaction_state", "__consumer_offsets",
	"by", "--members", "completeThrough", "/status", "/readyz", "InvalidSessionTimeout", "{prefix}convstream-lease",
	"convstream tail conversations.dead-letter --from beginning --no-follow", "convstream check", "429",
}

// composed are texts that the code puts together, and of what.
var composed = map[string][]string{
	"refuses the login of user":                                     {"refuses %s with %s", "the login of user"},
	"refuses the token":                                             {"refuses %s with %s", `"the token"`},
	"was not logged in to: KAFKA_SASL_OAUTH_":                       {"was not logged in to: ", "KAFKA_SASL_OAUTH_"},
	"TOKEN_URL: no connection":                                      {`"TOKEN_URL"`, "no connection: %v"},
	"no whole answer within 10s":                                    {"no whole answer within %v"},
	"TOKEN_URL: proxy ... answers status":                           {`"TOKEN_URL"`, "proxy %s answers status %d"},
	"CA_FILE: the certificate of the endpoint is not trusted":       {`"CA_FILE"`, "the certificate of the endpoint is not trusted"},
	"TOKEN_URL: answers status 200 with text/html":                  {`"TOKEN_URL"`, "answers status %d with %s that is not a token"},
	"CLIENT_SECRET: the endpoint answers status 401 invalid_client": {`"CLIENT_SECRET"`, "the endpoint %s; correct it", "answers status %d", `"invalid_client"`},
	"SCOPE: ... invalid_scope":                                      {`"SCOPE"`, `"invalid_scope"`},
	"CLIENT_ID: ... unauthorized_client":                            {`"CLIENT_ID"`, `"unauthorized_client"`},
	"GET /backfills":                                                {`"GET "`, `"/backfills"`},
	"GET /gaps":                                                     {`"GET "`, `"/gaps"`},
	"POST /backfills":                                               {`"POST "`, `"/backfills"`},
	"POST /backfills/cancel":                                        {`"POST "`, `"/backfills/cancel"`},
	"POST /gaps/accept":                                             {`"POST "`, `"/gaps/accept"`},
	"--by":                                                          {`"by"`},
	"--republish":                                                   {`"republish"`},
	"--admin URL,URL":                                               {`"admin"`},
	"TOKEN_URL: answers status 503":                                 {`"TOKEN_URL"`, "answers status %d"},
}

// TestOperationsPage: what the page quotes of logs, errors, /status and metrics is in the code.
func TestOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../../../deploy/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	source := sourceTexts(t)
	quoted := regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(page), -1)
	if len(quoted) < 100 {
		t.Fatalf("only %d quotations: does the form still hold?", len(quoted))
	}
	for _, m := range quoted {
		text := m[1]
		if slices.Contains(foreign, text) || alertName.MatchString(text) {
			continue
		}
		for _, part := range inCode(text) {
			if !strings.Contains(source, part) {
				t.Errorf("the page quotes %q, and %q is not in the code", text, part)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([\w-]+)\)`).FindAllStringSubmatch(string(page), -1) {
		if !slices.Contains(anchors(string(page)), m[1]) {
			t.Errorf("the page has no part %s", m[1])
		}
	}
}

var (
	metricName  = regexp.MustCompile(`convstream_(\w+)`)
	alertName   = regexp.MustCompile(`^Convstream[A-Z]\w+$`) // deploy/test holds these to the rules
	settingName = regexp.MustCompile(`^([A-Z_]+)=`)
)

// inCode is what of a quotation stands in the code: names of metrics and settings, the members of /status one by one, other
// texts whole.
func inCode(text string) (parts []string) {
	for _, name := range metricName.FindAllStringSubmatch(text, -1) {
		parts = append(parts, `"`+name[1]+`"`) // the whole of a literal
	}
	text = strings.TrimSuffix(text, " ...")
	if of, ok := composed[text]; ok {
		return of
	}
	switch setting := settingName.FindStringSubmatch(text); {
	case parts != nil:
		return parts
	case setting != nil:
		return setting[1:]
	case strings.ContainsAny(text, " /"):
		return []string{text}
	}
	return strings.Split(text, ".")
}

// TestPagesNameTests: the tests that the pages name as proofs are there, and so are the packages of proofs.
func TestPagesNameTests(t *testing.T) {
	const proofs = "../proof/README.md"
	about, err := os.ReadFile(proofs)
	if err != nil {
		t.Fatal(err)
	}
	checkPackages(t, string(about), filepath.Dir(proofs))
	text := string(about)
	for _, page := range []string{"README.md", "deploy/CONFIGURATION.md", "deploy/OPERATIONS.md", "deploy/PERSONAL-DATA.md", "deploy/examples/README.md", "schemas/README.md", "schemas/TOPICS.md"} {
		more, err := os.ReadFile(filepath.Join("../../..", page))
		if err != nil {
			t.Fatal(err)
		}
		text += "\n" + string(more)
	}
	var there strings.Builder
	eachFile(t, func(path string) error {
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, "_test.go") {
			there.Write(text)
		}
		return err
	})
	names := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(text, -1)
	if len(names) < 10 {
		t.Fatalf("only %d names: does the form still hold?", len(names))
	}
	for _, name := range names {
		if !strings.Contains(there.String(), "\nfunc "+name+"(") {
			t.Errorf("a page names %s, which is not there", name)
		}
	}
}

// checkPackages holds that the page has one row for each folder of dir, and for no other.
func checkPackages(t *testing.T, page, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, entry := range entries {
		if entry.IsDir() {
			want = append(want, entry.Name())
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| \\[`(\\w+)`\\]\\((\\w+)\\) \\|").FindAllStringSubmatch(page, -1) {
		got = append(got, row[2])
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page about proofs has rows of %v, want %v", got, want)
	}
}

// eachFile visits the Go files of the repository.
func eachFile(t *testing.T, visit func(path string) error) {
	t.Helper()
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		return visit(path)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// anchors are the headings as links name them.
func anchors(page string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(strings.ToLower(m[1]), " ", "-"))
	}
	return all
}

// sourceTexts are all texts in the code that runs, each in quotation marks, those that are put together of several as one.
func sourceTexts(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	eachFile(t, func(path string) error {
		if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "simulator") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := textOf(e)
			if ok {
				all.WriteString(`"` + text + "\"\n")
			}
			return !ok
		})
		return nil
	})
	return all.String()
}

// textOf is the text that an expression is, if it is one.
func textOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := textOf(e.X)
		right, also := textOf(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}
