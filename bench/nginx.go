package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// nchanModule is the path of the module in Debian's package libnginx-mod-nchan.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// nchanConfig configures Nchan as its documentation does, with one location for subscribers
// and one for publishers, and with one process, so that its CPU time is that of the server.
// The arguments are the module, the directory and the address.
const nchanConfig = `load_module %[1]s;
daemon off;
master_process off;
pid %[2]s/pid;
error_log %[2]s/error.log;
worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
  access_log off;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  keepalive_requests 1000000000;
  server {
    listen %[3]s;
    location = /ws {
      nchan_subscriber websocket;
      nchan_channel_id $arg_user;
    }
    location ~ ^/push/(.+)$ {
      nchan_publisher;
      nchan_channel_id $1;
    }
  }
}
`

// nchan returns the command of nginx with Nchan.
func nchan(dir string) (*exec.Cmd, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("nchan is %w: nginx is not installed", errSkip)
	}
	if _, err := os.Stat(nchanModule); err != nil {
		return nil, fmt.Errorf("nchan is %w: Debian's package libnginx-mod-nchan is not installed", errSkip)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "wirepost-bench-nginx")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(home, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nchanConfig, nchanModule, home, address), 0o644); err != nil {
		return nil, err
	}
	// The shell reports the address once nginx accepts connections, and becomes nginx.
	script := `(until (: </dev/tcp/"${1%:*}"/"${1#*:}") 2>/dev/null; do sleep 0.05; done; echo "listening $1") & exec "$2" -c "$3"`
	return exec.Command("bash", "-c", script, "nchan", address, nginx, config), nil
}

// freeAddress returns an address that was free a moment ago: nginx does not report the
// port that the system has chosen.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
