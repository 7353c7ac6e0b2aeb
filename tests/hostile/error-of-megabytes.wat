;; Refuses a request with a text of 7 MiB that consists of control characters for the operator's terminal.
;;
;; request: read harm
;; status: 400
;; error: (cut: it has 7000000 bytes)

(func $hostile (result i32)
  (call $refuse (call $repeat (i32.const 0x1b) (i32.const 7000000)) (i32.const 7000000)))
