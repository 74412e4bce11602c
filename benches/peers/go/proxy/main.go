// The smallest reverse proxy on httputil.ReverseProxy that keeps its connections: proxy LISTEN ORIGIN.
// GOMAXPROCS says how many cores it uses.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// pool lends the buffers that bodies are copied through.
type pool struct{ sync.Pool }

func (p *pool) Get() []byte  { return *p.Pool.Get().(*[]byte) }
func (p *pool) Put(b []byte) { p.Pool.Put(&b) }

func main() {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: os.Args[2]})
	proxy.Transport = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     600 * time.Second,
		DisableCompression:  true,
	}
	proxy.BufferPool = &pool{sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}}
	// A client that leaves in the middle is not news.
	quiet := log.New(io.Discard, "", 0)
	proxy.ErrorLog = quiet
	server := http.Server{Addr: os.Args[1], Handler: proxy, ErrorLog: quiet}
	log.Fatal(server.ListenAndServe())
}
