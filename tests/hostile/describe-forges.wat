;; Describes itself with lines that look like the host's and with control sequences for the operator's terminal.
;;
;; request: load
;; status: 400
;; error: `about` must be one line

(data (i32.const 4096) "x\0aok: verified\1b[2J")
(func $describe (result i32)
  (i32.store (i32.const 1552) (i32.const 4096))
  (i32.store (i32.const 1556) (i32.const 18))
  (i32.const 1536))
