// Go's net/http on both sides of osier: as its origin, and as its client, directly and behind httputil.ReverseProxy.
//
// It says where the origin listens, reads osier's URL from standard input, and ends with 0 if all is as it should be.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"
)

var (
	content  = bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	received = make(chan string) // the client tells the origin what it has read so far
	canceled = make(chan error)  // the origin tells the client that its request has ended
)

func origin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		body, err := io.ReadAll(r.Body)
		check(err)
		w.Header().Set("X-Request-Trailer", r.Trailer.Get("X-Sum"))
		_, err = w.Write(body)
		check(err)
		w.Header().Set("X-Sum", fmt.Sprint(len(body)))
	})
	mux.HandleFunc("/pieces", func(w http.ResponseWriter, r *http.Request) {
		for _, piece := range []string{"one", "two", "three"} {
			fmt.Fprintln(w, piece)
			w.(http.Flusher).Flush()
			// The next one is not made before this one has arrived.
			expect("the client has read", <-received, piece)
		}
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "hinted")
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		canceled <- r.Context().Err()
	})
	return mux
}

// What a client sees, whatever stands between it and osier.
func talk(base string) {
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}

	response, err := client.Post(base+"/echo", "text/plain", bytes.NewReader(content))
	check(err)
	expect("the echo of a known length", text(response), string(content))
	expect("its trailer", response.Trailer.Get("X-Sum"), fmt.Sprint(len(content)))

	// Of unknown length, and sent only when the origin wants it.
	request := must(http.NewRequest("PUT", base+"/echo", io.MultiReader(bytes.NewReader(content))))
	request.Header.Set("Expect", "100-continue")
	response, err = client.Do(request)
	check(err)
	expect("the echo of an unknown length", text(response), string(content))

	response, err = client.Get(base + "/pieces")
	check(err)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		received <- lines.Text()
	}
	check(lines.Err())
	response.Body.Close()

	ctx, cancel := context.WithCancel(context.Background())
	response, err = client.Do(must(http.NewRequestWithContext(ctx, "GET", base+"/endless", nil)))
	check(err)
	_, err = bufio.NewReader(response.Body).ReadString('\n')
	check(err)
	cancel()
	expect("the origin's request", <-canceled, context.Canceled)

	// Fifty at once, each with its own answer.
	answers := make(chan error, 50)
	for i := 0; i < cap(answers); i++ {
		go func(mine string) {
			response, err := client.Post(base+"/echo", "text/plain", strings.NewReader(mine))
			if err == nil && text(response) != mine {
				err = fmt.Errorf("%s got another's answer", mine)
			}
			answers <- err
		}(fmt.Sprint("number ", i))
	}
	for i := 0; i < cap(answers); i++ {
		check(<-answers)
	}
}

// What httputil.ReverseProxy does not pass on, or not in every version of Go: the trailers of requests, a refusal while
// the client waits for a 100, other interim responses.
func direct(base string) {
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	request := must(http.NewRequest("PUT", base+"/echo", io.MultiReader(strings.NewReader("content"))))
	request.Trailer = http.Header{"X-Sum": {"all of it"}}
	response, err := client.Do(request)
	check(err)
	expect("the echo", text(response), "content")
	expect("the request's trailer", response.Header.Get("X-Request-Trailer"), "all of it")

	// Content that is refused is not sent.
	unread := strings.NewReader("never read")
	request = must(http.NewRequest("POST", base+"/refuse", io.MultiReader(unread)))
	request.Header.Set("Expect", "100-continue")
	response, err = client.Do(request)
	check(err)
	expect("the refusal", response.StatusCode, http.StatusRequestEntityTooLarge)
	expect("its text", text(response), "too large\n")
	expect("what was not sent", unread.Len(), len("never read"))

	var links []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		links = append(links, fmt.Sprint(code, " ", header.Get("Link")))
		return nil
	}}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	response, err = client.Do(must(http.NewRequestWithContext(ctx, "GET", base+"/hints", nil)))
	check(err)
	expect("the answer behind the hints", text(response), "hinted")
	expect("the hints", fmt.Sprint(links), "[103 </style.css>; rel=preload]")
}

func main() {
	log.SetFlags(log.Lshortfile)
	// Nothing here takes so long unless it hangs.
	time.AfterFunc(15*time.Second, func() { log.Fatal("nothing more comes") })
	fmt.Println("listening on", serve(origin()))
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	osier := must(url.Parse(strings.TrimSpace(line)))

	direct(osier.String())
	talk(osier.String())
	fmt.Println("net/http is content")
	talk("http://" + serve(httputil.NewSingleHostReverseProxy(osier)))
	fmt.Println("httputil is content")
}

func serve(handler http.Handler) string {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go http.Serve(listener, handler)
	return listener.Addr().String()
}

func text(response *http.Response) string {
	defer response.Body.Close()
	return string(must(io.ReadAll(response.Body)))
}

func expect(what string, is, should any) {
	if is != should {
		log.Output(2, fmt.Sprintf("%s is %.100v, not %.100v", what, is, should))
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}
