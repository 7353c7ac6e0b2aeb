;; Answers with a text that is not JSON, of 7 MiB.
;;
;; request: read harm
;; status: 500
;; error: its answer

(func $hostile (result i32)
  (call $answer (call $repeat (i32.const 0x7b) (i32.const 7000000)) (i32.const 7000000)))
