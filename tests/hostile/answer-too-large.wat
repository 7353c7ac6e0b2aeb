;; Answers with a text of 10 MiB.
;;
;; request: read harm
;; status: 500
;; error: over the limit

(func $hostile (result i32)
  (call $answer (call $repeat (i32.const 0x78) (i32.const 10000000)) (i32.const 10000000)))
