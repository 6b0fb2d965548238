package config

import (
	"slices"
	"strings"
	"testing"
)

func TestLogin(t *testing.T) {
	file := write(t, "s")
	for _, test := range []struct {
		about string
		env   map[string]string
		want  []string
	}{
		{"none", least("SMARTASSIST_JWT", ""), []string{"SMARTASSIST_JWT"}},
		{"token", least(), nil},
		{"token twice", least("SMARTASSIST_JWT_FILE", file), []string{"SMARTASSIST_JWT"}},
		{"both ways", least("SMARTASSIST_CLIENT_ID", "me", "SMARTASSIST_CLIENT_SECRET", "s"), []string{"SMARTASSIST_JWT"}},
		{"token and half of the other", least("SMARTASSIST_CLIENT_ID", "me"), []string{"SMARTASSIST_JWT"}},
		{"client", least("SMARTASSIST_JWT", "", "SMARTASSIST_CLIENT_ID", "me", "SMARTASSIST_CLIENT_SECRET", "s"), nil},
		{"client without secret", least("SMARTASSIST_JWT", "", "SMARTASSIST_CLIENT_ID", "me"), []string{"SMARTASSIST_CLIENT_SECRET"}},
		{"secret without client", least("SMARTASSIST_JWT", "", "SMARTASSIST_CLIENT_SECRET_FILE", file), []string{"SMARTASSIST_CLIENT_ID"}},
		{"secret twice", least("SMARTASSIST_JWT", "", "SMARTASSIST_CLIENT_ID", "me", "SMARTASSIST_CLIENT_SECRET", "s", "SMARTASSIST_CLIENT_SECRET_FILE", file), []string{"SMARTASSIST_CLIENT_SECRET"}},
	} {
		if test.want == nil {
			if _, err := load(test.env); err != nil {
				t.Errorf("%s: %v", test.about, err)
			}
		} else if got := names(wrong(t, test.env)); !slices.Equal(got, test.want) {
			t.Errorf("%s: problems with %v, want %v", test.about, got, test.want)
		}
	}
}

func TestRegistryLogin(t *testing.T) {
	file := write(t, "s")
	const url, user, password = "SCHEMA_REGISTRY_URL", "SCHEMA_REGISTRY_USERNAME", "SCHEMA_REGISTRY_PASSWORD"
	const token, oauth = "SCHEMA_REGISTRY_TOKEN", "SCHEMA_REGISTRY_OAUTH_"
	client := []string{url, "https://r", oauth + "TOKEN_URL", "https://id/token", oauth + "CLIENT_ID", "me", oauth + "CLIENT_SECRET", "s"}
	for _, test := range []struct {
		about string
		env   map[string]string
		want  []string
	}{
		{"none", least(url, "http://r:8081"), nil},
		{"whole", least(url, "https://r:8081", user, "me", password, "s"), nil},
		{"shown", least(url, "http://r:8081", user, "me", password, "s"), []string{url}},
		{"token, shown", least(url, "http://r:8081", token, "t"), []string{url}},
		{"client, shown", least(append(client, url, "http://r:8081")...), []string{url}},
		{"on loopback", least(url, "http://localhost:8081", user, "me", password, "s"), nil},
		{"token", least(url, "https://r", token, "t"), nil},
		{"token of a file", least(url, "https://r", token+"_FILE", file), nil},
		{"client", least(client...), nil},
		{"user and token", least(url, "https://r", user, "me", password, "s", token, "t"), []string{user}},
		{"user and client", least(append(client, user, "me", password, "s")...), []string{user}},
		{"token and client", least(append(client, token, "t")...), []string{token}},
		{"token without a registry", least(token, "t"), []string{url}},
		{"client without a registry", least(append(client, url, "")...), []string{url}},
		{"extensions without a token", least(url, "https://r", "SCHEMA_REGISTRY_OAUTH_EXTENSIONS", "logicalCluster=x"), []string{"SCHEMA_REGISTRY_OAUTH_EXTENSIONS"}},
		{"of a file", least(url, "https://r:8081", user, "me", password+"_FILE", file), nil},
		{"user alone", least(url, "https://r:8081", user, "me"), []string{password}},
		{"password alone", least(url, "https://r:8081", password, "s"), []string{user}},
		{"file alone", least(url, "https://r:8081", password+"_FILE", file), []string{user}},
		{"password twice", least(url, "https://r:8081", user, "me", password, "s", password+"_FILE", file), []string{password}},
		{"without a registry", least(user, "me", password, "s"), []string{url}},
		{"not to register, without a registry", least("SCHEMA_REGISTRY_REGISTER", "False"), []string{url}},
		{"authority without a registry", least("SCHEMA_REGISTRY_CA_FILE", write(t, certificate)), []string{url}},
	} {
		if test.want == nil {
			if _, err := load(test.env); err != nil {
				t.Errorf("%s: %v", test.about, err)
			}
		} else if got := names(wrong(t, test.env)); !slices.Equal(got, test.want) {
			t.Errorf("%s: problems with %v, want %v", test.about, got, test.want)
		}
	}
	got := wrong(t, least(url, "https://me:hush@r"))
	if !strings.Contains(got[0].Text, user) || strings.Contains(got[0].Text, "hush") {
		t.Errorf("a login in the URL: %v", got)
	}
}
