// Reads messages that osier sent, one JSON line each, and says what Go's net/http makes of them, one JSON line each.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
)

// A message, or several, as they came over one connection.
type question struct {
	ID     int
	Kind   string // request or response
	Method string // of the request that is answered
	Octets []byte
	Cut    bool // the connection did not end with an end
}

// What there was.
type verdict struct {
	ID       int        `json:"id"`
	Whole    bool       `json:"whole"`
	Why      string     `json:"why"`
	Start    []string   `json:"start"`
	Fields   [][]string `json:"fields"`
	Body     []byte     `json:"body"`
	Trailers [][]string `json:"trailers"`
	Interim  []int      `json:"interim"`
	Left     int        `json:"left"`
}

var errCut = errors.New("cut")

// Ends as the connection did.
type wire struct {
	*bytes.Reader
	cut bool
}

func (w *wire) Read(room []byte) (int, error) {
	count, err := w.Reader.Read(room)
	if err == io.EOF && w.cut {
		err = errCut
	}
	return count, err
}

// Octets as the text that has them as its characters: JSON knows only text.
func latin1(text string) string {
	runes := make([]rune, 0, len(text))
	for _, octet := range []byte(text) {
		runes = append(runes, rune(octet))
	}
	return string(runes)
}

func lines(header http.Header) [][]string {
	all := [][]string{}
	for name, values := range header {
		for _, value := range values {
			all = append(all, []string{strings.ToLower(name), latin1(value)})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		return all[i][0]+"\x00"+all[i][1] < all[j][0]+"\x00"+all[j][1]
	})
	return all
}

func judge(asked question) (said verdict) {
	said = verdict{ID: asked.ID, Fields: [][]string{}, Trailers: [][]string{}, Interim: []int{}}
	end := &wire{bytes.NewReader(asked.Octets), asked.Cut}
	// Go wants a trailer section to fit its buffer, and serves with 4 KiB; osier's limit is 8 KiB.
	reader := bufio.NewReaderSize(end, 64*1024)
	var body io.ReadCloser
	var trailer *http.Header
	if asked.Kind == "request" {
		request, err := http.ReadRequest(reader)
		if err != nil {
			said.Why = err.Error()
			return
		}
		request.Header.Set("Host", request.Host)
		said.Start = []string{request.Method, request.RequestURI}
		said.Fields = lines(request.Header)
		body, trailer = request.Body, &request.Trailer
	} else {
		for {
			response, err := http.ReadResponse(reader, &http.Request{Method: asked.Method})
			if err != nil {
				said.Why = err.Error()
				return
			}
			if response.StatusCode < 200 {
				said.Interim = append(said.Interim, response.StatusCode)
				continue
			}
			said.Start = []string{strconv.Itoa(response.StatusCode)}
			said.Fields = lines(response.Header)
			body, trailer = response.Body, &response.Trailer
			break
		}
	}
	content, err := io.ReadAll(body)
	said.Body = content
	if err != nil {
		said.Why = err.Error()
		return
	}
	said.Trailers = lines(*trailer)
	rest, _ := io.ReadAll(reader)
	said.Left = len(rest)
	said.Whole = true
	return
}

func main() {
	questions := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	for {
		var asked question
		if err := questions.Decode(&asked); err != nil {
			break
		}
		if err := answers.Encode(judge(asked)); err != nil {
			panic(err)
		}
	}
	if err := out.Flush(); err != nil {
		panic(err)
	}
}
