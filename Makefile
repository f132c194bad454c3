lock:
	:
