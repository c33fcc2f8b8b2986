#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# A static program of Go, whose system calls are its own: goroutines that have to be preempted by signals while others make calls
# whose sites get patched.  Its processes fork under way, as os/exec does it.
. "$(dirname "$0")/lib.sh"
need go

mkdir "$tmp/src"
cat >"$tmp/src/busy.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func spin(n int) (s uint64) {
	for i := 0; i < n; i++ {
		s = s*6364136223846793005 + uint64(i)
	}
	return
}

func main() {
	if len(os.Args) > 1 {
		fmt.Println("child", os.Args[1])
		return
	}
	runtime.GOMAXPROCS(4)
	var wg sync.WaitGroup
	ch := make(chan uint64, 16)
	for g := 0; g < 12; g++ {
		wg.Add(1)
		go func(g int) { defer wg.Done(); ch <- spin(20000000 + g) }(g)
	}
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 3000; i++ {
				if syscall.Getppid() != os.Getppid() {
					panic("getppid")
				}
				syscall.Seek(0, 0, 1)
				if i%500 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			ch <- 1
		}()
	}
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			out, err := exec.Command(os.Args[0], fmt.Sprint(g)).Output()
			if err != nil || string(out) != fmt.Sprintf("child %d\n", g) {
				panic(fmt.Sprint(err, string(out)))
			}
			ch <- uint64(g)
		}(g)
	}
	go func() { wg.Wait(); close(ch) }()
	var sum uint64
	for v := range ch {
		sum += v
	}
	runtime.GC()
	fmt.Println("sum", sum)
}
GO
export GO111MODULE=off GOCACHE=$tmp/cache CGO_ENABLED=0
go build -o "$tmp/busy" "$tmp/src/busy.go" 2>"$tmp/err" || skip "go does not build here: $(head -n 1 "$tmp/err")"

same "goroutines" "$tmp/busy"
if [ "$SENTRY_PLATFORM" = systrap ]; then
	"$SENTRY" do -v --platform=systrap -- "$tmp/busy" >/dev/null 2>"$tmp/err" </dev/null
	patched=$(sed -n 's/.*call sites: \([0-9]*\) patched.*/\1/p' "$tmp/err")
	answered=$(sed -n 's/.*calls: \([0-9]*\) answered in the stub.*/\1/p' "$tmp/err")
	signals=$(sed -n 's/.* \([0-9]*\) by signals.*/\1/p' "$tmp/err")
	[ "${patched:-0}" -gt 0 ] || problem "no site of Go's is patched: $(cat "$tmp/err")"
	# 48,000 getppid, all but the first ones at two sites.
	[ "${answered:-0}" -gt 40000 ] || problem "$answered calls are answered in the stub"
	[ "${signals:-999999}" -lt "${answered:-0}" ] || problem "$signals calls come by signals"
	grep -q "not patched: " "$tmp/err" || problem "no reasons are told"
	is "without patches" "$("$tmp/busy" </dev/null)" "$(guest --no-patch -- "$tmp/busy" </dev/null)"
fi
finish
