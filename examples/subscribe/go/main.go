// Verdicts by go-redis alone: needs no Serinus. Prints each that is not a hold.
//
//	SERINUS_REDIS_URL=redis://127.0.0.1:6379 go run .
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/redis/go-redis/v9"
)

type event struct {
	ID   string
	Time string
	Data struct {
		Run      struct{ Namespace, Name string }
		Sentence string
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	options, err := redis.ParseURL(setting("SERINUS_REDIS_URL", "redis://127.0.0.1:6379"))
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	stream := fmt.Sprintf("{%s}:verdicts", setting("SERINUS_REDIS_TAG", "serinus"))
	position := "0" // "$" for what comes from now on
	for {
		read, err := client.XRead(context.Background(), &redis.XReadArgs{Streams: []string{stream, position}}).Result()
		if err != nil {
			log.Fatal(err)
		}
		for _, entry := range read[0].Messages {
			position = entry.ID
			if entry.Values["verdict"] == "hold" { // flat fields filter without parsing
				continue
			}
			var found event
			if err := json.Unmarshal([]byte(entry.Values["ce"].(string)), &found); err != nil {
				log.Fatal(err)
			}
			fmt.Println(found.Time, found.Data.Run.Name, found.Data.Sentence)
		}
	}
}
