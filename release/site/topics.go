package main

// topic is a part of the navigation.
type topic struct {
	title map[string]string // by language
	pages []entry
}

// entry is a page in both languages, or in English only.
type entry struct {
	source string
	title  map[string]string // in the navigation; nil: the page's heading
}

const (
	english = "en"
	chinese = "zh-CN"
)

// languages are those of the navigation. The first is that of the start page.
var languages = []string{english, chinese}

// topics has every page for users. A page that is in no topic is an error, because no
// reader would find it.
var topics = []topic{
	{both("Start", "入门"), []entry{
		{"README.md", both("Introduction", "简介")},
		doc("install"),
		{"examples/README.md", nil},
		doc("from-the-tutorials"),
		doc("from-gorilla-websocket"),
		doc("from-centrifugo"),
		doc("from-pusher"),
	}},
	{both("Build", "开发"), []entry{
		doc("push-from-your-backend"),
		{"docs/javascript.md", both("React, Node.js, mobile", "React、Node.js、移动端")},
		{"js/README.md", both("JavaScript client", "JavaScript 客户端")},
		doc("embed-in-gin"),
		doc("log-users-in"),
		doc("offline-and-unread"),
		doc("groups"),
		doc("presence"),
		doc("notifications"),
		doc("events"),
		doc("hooks"),
		doc("testing"),
	}},
	{both("Operate", "运维"), []entry{
		doc("behind-a-proxy"),
		doc("configuration"),
		doc("security"),
		doc("cluster"),
		doc("scale"),
		doc("damaged-store"),
		doc("logs"),
		doc("bench"),
		doc("performance"),
	}},
	{both("Reference", "参考"), []entry{
		doc("protocol"),
		doc("http-api"),
		{"ARCHITECTURE.md", both("Architecture", "架构")},
		{"docs/decisions", both("Decisions", "设计决策")},
		{"CHANGELOG.md", both("Changelog", "更新日志")},
	}},
}

func both(en, zh string) map[string]string { return map[string]string{english: en, chinese: zh} }

func doc(name string) entry { return entry{source: "docs/" + name + ".md"} }

// words are the texts of the frame around the pages.
var words = map[string]map[string]string{
	english: {
		"search": "Search", "menu": "Menu", "contents": "On this page", "theme": "Dark or light",
		"other": "中文", "otherTitle": "本页的中文版", "only": "", "skip": "To the text",
		"none": "Nothing found", "source": "Source of this page", "openapi": "OpenAPI description",
	},
	chinese: {
		"search": "搜索", "menu": "目录", "contents": "本页内容", "theme": "深色或浅色",
		"other": "English", "otherTitle": "This page in English", "only": "本页只有英文。", "skip": "跳到正文",
		"none": "没有找到", "source": "本页源文件", "openapi": "OpenAPI 描述",
	},
}
