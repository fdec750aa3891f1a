package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestDeploySettings checks that serve accepts the settings in deploy, of the packages, of
// the image, of both compose files and of the nodes in Kubernetes.
func TestDeploySettings(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("0123456789abcdef", 4)
	keys := []string{"WIREPOST_API_KEY=" + secret, "WIREPOST_TOKEN_SECRET=" + secret}
	image := regexp.MustCompile(`WIREPOST_[A-Z_]+=\S+`).FindAllString(deployed(t, "Dockerfile"), -1)
	if len(image) == 0 {
		t.Error("the image has no settings")
	}
	check := func(name string, environ []string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if status := run(append([]string{"config", "check"}, args...), environ, &terminal{Out: &out, Err: &errs}); status != exitOK {
			t.Errorf("%s: %s", name, errs.String())
		}
	}
	check("package", keys, "--config", "../../deploy/package/wirepost.yaml")
	check("image", append(keys, image...))

	for _, file := range []string{"compose.yaml", "compose.cluster.yaml"} {
		var compose struct {
			Services map[string]struct {
				Environment map[string]string
				StopGrace   string `yaml:"stop_grace_period"`
			}
		}
		decode(t, deployed(t, file), &compose)
		if len(compose.Services) == 0 {
			t.Errorf("%s has no services", file)
		}
		for name, s := range compose.Services {
			environ := append([]string{}, image...)
			for key, value := range s.Environment {
				environ = append(environ, key+"="+regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(value, secret))
			}
			check(file+" "+name, environ)
			if s.StopGrace != "30s" {
				t.Errorf("%s: %s is stopped after %q, and drain takes 15s", file, name, s.StopGrace)
			}
		}
	}

	var nodes struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Env []struct{ Name, Value string }
					}
				}
			}
		}
	}
	decode(t, deployed(t, "kubernetes/nodes.yaml"), &nodes)
	containers := nodes.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		t.Fatalf("%d containers", len(containers))
	}
	environ := append(append([]string{"WIREPOST_CLUSTER_SECRET=" + secret}, keys...), image...)
	for _, e := range containers[0].Env {
		environ = append(environ, e.Name+"="+strings.ReplaceAll(e.Value, "$(POD)", "wirepost-0"))
	}
	check("kubernetes", environ)
}

func deployed(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decode(t *testing.T, text string, to any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}
