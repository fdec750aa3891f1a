package wirepost

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

type thing struct{ name string }

func (t *thing) key() string { return t.name }

// TestNameTable does at random what a map does as well.
func TestNameTable(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var table nameTable[*thing]
	model := map[string]*thing{}
	for step := range 200_000 {
		// Waves of growing and shrinking.
		grow := step/20_000%2 == 0
		name := fmt.Sprint(rnd.IntN(3000))
		x := model[name]
		if got := table.get(name); got != x {
			t.Fatalf("step %d: %q is %v, not %v", step, name, got, x)
		}
		switch {
		case x == nil && (grow || rnd.IntN(4) == 0):
			x = &thing{name}
			model[name] = x
			table.add(x)
		case x != nil && (!grow || rnd.IntN(4) == 0):
			delete(model, name)
			table.remove(x)
			table.remove(x) // it is not there any more
		}
		if table.count != len(model) {
			t.Fatalf("step %d: %d things, not %d", step, table.count, len(model))
		}
	}
	table.each(func(x *thing) {
		if model[x.name] != x {
			t.Fatalf("%q is not in the model", x.name)
		}
		delete(model, x.name)
	})
	if len(model) > 0 {
		t.Fatalf("missing: %v", model)
	}
}

func BenchmarkNameTable(b *testing.B) {
	var table nameTable[*thing]
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("user:%d", i)
		table.add(&thing{names[i]})
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		table.get(names[i%len(names)])
		i++
	}
}
