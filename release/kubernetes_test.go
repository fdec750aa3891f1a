package main

import (
	"slices"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestKubernetes renders the base as kubectl kustomize does, and decodes each object into
// the type of Kubernetes: a field that does not exist, or has another type, is an error.
func TestKubernetes(t *testing.T) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../deploy/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apps.AddToScheme, core.AddToScheme, policy.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var nodes *apps.StatefulSet
	services := map[string]*core.Service{}
	var budget *policy.PodDisruptionBudget
	for _, r := range rendered.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		switch o := object.(type) {
		case *apps.StatefulSet:
			nodes = o
		case *core.Service:
			services[o.Name] = o
		case *policy.PodDisruptionBudget:
			budget = o
		default:
			t.Errorf("an object of type %T", o)
		}
	}
	if nodes == nil || budget == nil || len(services) != 2 || t.Failed() {
		t.Fatalf("it has %v, %v and %d services", nodes, budget, len(services))
	}
	checkNodes(t, nodes)
	pods := labels.Set(nodes.Spec.Template.Labels)
	if !selects(t, nodes.Spec.Selector, pods) || !selects(t, budget.Spec.Selector, pods) {
		t.Error("a selector does not select the pods")
	}
	ports := nodes.Spec.Template.Spec.Containers[0].Ports
	for name, s := range services {
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(pods) {
			t.Errorf("the service %s does not select the pods", name)
		}
		for _, p := range s.Spec.Ports {
			if !slices.ContainsFunc(ports, func(c core.ContainerPort) bool { return c.Name == p.TargetPort.StrVal }) {
				t.Errorf("the service %s: the pods have no port %s", name, p.TargetPort.StrVal)
			}
		}
	}
	if headless := services[nodes.Spec.ServiceName]; headless == nil || headless.Spec.ClusterIP != core.ClusterIPNone || !headless.Spec.PublishNotReadyAddresses {
		t.Errorf("the nodes find each other by %q, which is %v", nodes.Spec.ServiceName, headless)
	}
}

// checkNodes checks what the documentation promises.
func checkNodes(t *testing.T, nodes *apps.StatefulSet) {
	t.Helper()
	pod := nodes.Spec.Template.Spec
	if len(pod.Containers) != 1 || len(nodes.Spec.VolumeClaimTemplates) != 1 || *nodes.Spec.Replicas != 3 {
		t.Fatalf("%d containers, %d volumes, %d replicas", len(pod.Containers), len(nodes.Spec.VolumeClaimTemplates), *nodes.Spec.Replicas)
	}
	c := pod.Containers[0]
	if c.Image == "wirepost" {
		t.Error("the image has no registry")
	}
	if c.LivenessProbe == nil || c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Errorf("the probes are %v and %v", c.LivenessProbe, c.ReadinessProbe)
	}
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Contains(s.Capabilities.Drop, "ALL") || !*pod.SecurityContext.RunAsNonRoot {
		t.Errorf("the container may do too much: %v", s)
	}
	for _, m := range c.VolumeMounts {
		known := slices.ContainsFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == m.Name })
		if !known && nodes.Spec.VolumeClaimTemplates[0].Name != m.Name {
			t.Errorf("the volume %s does not exist", m.Name)
		}
	}
	if *pod.TerminationGracePeriodSeconds <= 40 {
		t.Errorf("a pod is killed after %d s, and drain-delay and drain take 40", *pod.TerminationGracePeriodSeconds)
	}
}

func selects(t *testing.T, selector *meta.LabelSelector, pods labels.Set) bool {
	t.Helper()
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return !s.Empty() && s.Matches(pods)
}
